/** German. */

import type { Words } from '.'

/** By the names that the server counts under. */
const TOKENS = new Map([
  ['input_tokens', 'Eingabe-Token'],
  ['output_tokens', 'Ausgabe-Token'],
  ['reasoning_tokens', 'Token zum Nachdenken'],
  ['cache_read_tokens', 'Token aus dem Cache gelesen'],
  ['cache_write_tokens', 'Token in den Cache geschrieben'],
])

export const de: Words = {
  // Everywhere
  assistant: 'Assistent',
  cancel: 'Abbrechen',
  chat: 'Chat',
  coming: 'Einen Moment …',
  copyCode: 'Code kopieren',
  editMessage: 'Nachricht bearbeiten',
  notLoaded: 'Das konnte noch nicht geladen werden.',
  send: 'Senden',
  tryAgain: 'Noch einmal versuchen',
  modes: { ask: 'Fragen', plan: 'Planen', act: 'Ausführen' },
  onItsWay: 'Unterwegs …',
  you: 'Eigene Nachricht',

  // The chat around the messages
  states: {
    connecting: 'verbindet …',
    live: 'live',
    idle: 'bereit',
    offline: 'offline',
    gone: 'nicht mehr da',
    static: 'gespeicherte Kopie',
  },
  notices: {
    offline: 'Keine Verbindung zum Server. Eine begonnene Antwort geht dort weiter.',
    gone: 'Diese Unterhaltung gibt es auf dem Server nicht mehr. Zu sehen ist, was gespeichert war.',
    static: 'Eine gespeicherte Kopie: Von hier aus ist kein Server erreichbar.',
  },
  missed: (times) => `${times}-mal wurden verpasste Ereignisse nachgeladen`,
  connecting: 'Verbindung wird aufgebaut …',
  nothingYet: 'Noch nichts da',
  emptyTitle: 'Worum geht es?',
  emptyText: 'Die Antwort läuft weiter, auch wenn der Kernel neu startet, die Seite neu lädt oder niemand zusieht.',
  leftOut: (count, written) =>
    count === 1 ? '1 frühere Nachricht ist ausgelassen' : `${written} frühere Nachrichten sind ausgelassen`,
  reconnect: 'Neu verbinden',
  removedFromQueue: 'Aus der Warteschlange entfernt',
  andMore: (count) => ` (und ${count} weitere)`,
  show: 'Anzeigen',
  firstKernel: 'Zuerst ist der Kernel an der Reihe',
  firstPerson: 'Zuerst wird hier eine Antwort gebraucht',
  newBelow: 'Neuer Text weiter unten',
  height: 'Höhe des Chats',
  resize: 'Ziehen ändert die Höhe, Doppelklick setzt sie zurück',

  // What a screen reader says
  answering: 'Antwort beginnt',
  endings: {
    completed: 'Antwort vollständig',
    stopped: 'Antwort angehalten',
    failed: 'Antwort fehlgeschlagen',
    truncated: 'Antwort abgeschnitten',
    interrupted: 'Antwort unterbrochen',
  },
  answerOver: 'Antwort beendet',

  // A message
  editLater: 'Senden geht, sobald die Antwort beendet ist.',
  editNever: 'Senden geht gerade nicht.',
  answerComes: 'Die Antwort ist unterwegs',
  continue: 'Fortsetzen',
  copyAnswer: 'Antwort kopieren',
  retry: 'Erneut versuchen',
  retryOther: 'Mit anderem Modell oder Agenten erneut versuchen',
  retryWith: 'Erneut versuchen mit',
  version: (at, of) => `Version ${at} von ${of}`,
  nextVersion: 'Nächste Version',
  previousVersion: 'Vorherige Version',
  outcomes: {
    stopped: 'Angehalten',
    failed: 'Die Antwort ist fehlgeschlagen',
    truncated: 'Abgeschnitten',
    interrupted: 'Unterbrochen',
    unknown: 'Unvollständig',
  },
  budgetSpent: 'Das Budget ist aufgebraucht',
  whyTruncated: 'Der Datenstrom endete, bevor das Modell die Antwort abgeschlossen hatte.',
  whyInterrupted: 'Der Server wurde während dieser Antwort beendet. Was bis dahin da war, ist erhalten.',
  whyUnfinished: 'Als diese Kopie gespeichert wurde, war die Antwort noch nicht vollständig.',
  inMode: { ask: 'Modus „Fragen“', plan: 'Modus „Planen“' },
  tokens: (count) => `${count} Token`,
  tokensOf: (count, kind) => `${count} ${TOKENS.get(kind) ?? kind.replaceAll('_', ' ')}`,
  contextFull: (percent) => `Kontext zu ${percent} voll`,
  inContext: (count) => `${count} Token im Kontext`,
  inContextOf: (count, window) => `${count} von ${window} Token im Kontext`,
  seconds: (count) => `${count} s`,
  minutes: (minutes, seconds) => `${minutes} Min. ${seconds} s`,
  hours: (hours, minutes) => `${hours} Std. ${minutes} Min.`,

  // What is on its way to the server
  sending: 'Wird gesendet …',
  notSent: (why) => `Nicht gesendet. ${why}`,
  sendAgain: 'Erneut senden',
  discard: 'Verwerfen',

  // Writing
  message: 'Nachricht',
  ask: 'Frage stellen',
  followUp: 'Nachfragen',
  followUpResumes: (key) => `Nachfragen (${key} setzt fort)`,
  waitsItsTurn: 'Kommt in die Warteschlange',
  waitsForResume: 'Wartet mit den anderen, bis es weitergeht',
  editLost: 'Die bearbeitete Nachricht gibt es nicht mehr. Hier ist der Text.',
  filesFirst: 'Senden geht, sobald die Dateien hochgeladen sind.',
  stop: 'Anhalten',
  stopping: 'Wird angehalten …',
  key: (action, key) => `${action} (${key})`,
  keys: { enter: 'Eingabetaste', control: 'Strg+Eingabetaste', command: '⌘ Eingabetaste', escape: 'Esc' },
  sendKey: 'Womit gesendet wird',
  sendKeyTitle: 'Womit gesendet wird, in allen Chats dieses Browsers. Umschalt+Eingabetaste ist immer eine neue Zeile.',
  sends: (key) => `${key} sendet`,

  // Files
  attached: 'Angehängt',
  attachFiles: 'Dateien anhängen',
  uploading: 'wird hochgeladen …',
  remove: (name) => `${name} entfernen`,
  pictureComes: 'Das Bild ist unterwegs',
  save: (name) => `${name} speichern`,
  image: 'Bild',
  showImage: (name, host) => (name ? `Bild „${name}“ von ${host} anzeigen` : `Bild von ${host} anzeigen`),
  noName: 'ohne Namen',

  // The queue
  queue: 'Wartende Nachrichten',
  waiting: (count, written) =>
    count === 1 ? '1 Nachricht in der Warteschlange' : `${written} Nachrichten in der Warteschlange`,
  heldStopped: (count, written) =>
    `Die letzte Antwort wurde angehalten; ${count === 1 ? 'diese Nachricht wartet' : `diese ${written} Nachrichten warten`}.`,
  held: (count, written, why) =>
    `${why} Bis zum Fortsetzen ${count === 1 ? 'wartet diese Nachricht' : `warten diese ${written} Nachrichten`}.`,
  resume: 'Fortsetzen',
  queued: 'Wartende Nachricht',
  saveEdit: 'Speichern',
  saveNever: 'Speichern geht gerade nicht.',
  files: (count, written) => (count === 1 ? '1 Datei' : `${written} Dateien`),
  moveUp: 'Nach oben',
  moveDown: 'Nach unten',
  removeMessage: 'Nachricht entfernen',

  // Who answers, and how
  agent: 'Agent',
  whoAnswers: 'Wer antwortet',
  whoAnswersNow: (who) => `Wer antwortet: ${who}`,
  whoCan: 'Wer kann antworten? Wird abgefragt …',
  effort: 'Aufwand',
  usual: 'üblich',
  default: 'Standard',
  notAvailable: 'gerade nicht verfügbar',
  modelsOf: (agent) => `Modelle von ${agent}`,
  mode: 'Modus',
  modeDoes: {
    ask: 'antwortet nur, ohne Werkzeuge',
    plan: 'sieht sich um und schlägt vor, was zu tun ist',
    act: 'tut, worum gebeten wird',
  },

  // Parts of an answer
  reasoning: 'Gedankengang',
  thinking: 'Denkt nach …',
  thoughtFor: (time) => `${time} nachgedacht`,
  thoughtBriefly: 'Kurz nachgedacht',
  moreCharacters: (count) => `… ${count} weitere Zeichen`,

  // Calls
  arguments: 'Argumente',
  result: 'Ergebnis',
  log: 'Protokoll',
  nothing: 'nichts',
  cutBytes: (count) => `gekürzt: insgesamt ${count} Byte`,
  callStates: {
    'not-run': 'nicht ausgeführt',
    'no-result': 'kein Ergebnis',
    denied: 'abgelehnt',
    done: 'fertig',
    failed: 'fehlgeschlagen',
    writing: 'schreibt Argumente …',
    approval: 'wartet auf Zustimmung',
    person: 'wartet auf eine Antwort',
    kernel: 'wartet auf den Kernel',
    running: 'läuft …',
  },
  deniedBy: (who) => `abgelehnt von ${who}`,
  waitsApproval: (call) => `${call} wartet auf Zustimmung`,
  waitsPerson: (call) => `${call} wartet auf eine Antwort`,
  waitsKernel: (call) => `${call} wartet auf den Kernel`,
  waitsPlan: 'Ein Plan wartet auf eine Entscheidung',
  waitsQuestion: 'Eine Frage wartet auf eine Antwort',
  kernelTakes: [
    'Es geht weiter, sobald ein Kernel den Aufruf übernimmt. Nach einem Neustart des Kernels die Zelle noch einmal ausführen, die',
    'anbietet.',
  ],
  progressOf: (call) => `Fortschritt von ${call}`,
  farOf: (done, total) => `${done} von ${total}`,

  // Approvals
  approvalOf: (call) => `Zustimmung zu ${call}`,
  allowQuestion: (call) => `${call} erlauben?`,
  allowsSession: 'Danach darf es in diesem Chat ohne Rückfrage wieder ausgeführt werden.',
  deniedAt: (time) => `Ohne Antwort bis ${time} gilt es als abgelehnt.`,
  allow: 'Erlauben',
  allowSession: 'Für diesen Chat erlauben',
  deny: 'Ablehnen',
  whyNot: 'Warum nicht (freiwillig)',
  whyDenied: (call) => `Warum ${call} abgelehnt wird (freiwillig)`,
  allowed: (who) => (who ? `Erlaubt von ${who}` : 'Erlaubt'),
  allowedSession: (who) => (who ? `Für diesen Chat erlaubt von ${who}` : 'Für diesen Chat erlaubt'),
  denied: (who) => (who ? `Abgelehnt von ${who}` : 'Abgelehnt'),

  // Questions
  question: 'Frage',
  questionOf: (at, of) => `Frage ${at} von ${of}`,
  stepOf: (at, of) => `${at} von ${of}`,
  back: 'Zurück',
  next: 'Weiter',
  decline: 'Überspringen',
  declineDoes: 'Es geht ohne Antwort weiter',
  cancelDoes: 'Das Vorhaben wird aufgegeben',
  somethingElse: 'Etwas anderes',
  number: 'Eine Zahl',
  wholeNumber: 'Eine ganze Zahl',
  yourAnswer: 'Antwort',
  yes: 'Ja',
  no: 'Nein',
  needsNumber: 'Hier wird eine Zahl gebraucht.',
  needsWholeNumber: 'Hier wird eine ganze Zahl gebraucht.',
  needsAnswer: 'Hier wird eine Antwort gebraucht.',
  declined: 'Übersprungen',
  cancelled: 'Abgebrochen',
  noAnswer: 'Keine Antwort',
  notAnswered: 'Nicht beantwortet',
  notAnsweredWhy: (why) => `Nicht beantwortet: ${why}`,

  // Plans
  plan: 'Plan',
  planNamed: (title) => `Plan: ${title}`,
  planWaits: 'wartet auf eine Entscheidung',
  decisions: { approve: 'Angenommen', change: 'Änderungen angefordert', cancel: 'Abgebrochen' },
  notDecided: 'Nicht entschieden',
  notDecidedWhy: (why) => `Nicht entschieden: ${why}`,
  planBecomes: 'Was aus dem Plan wird',
  planDifferent: 'Was soll anders sein?',
  planApprove: 'Annehmen und ausführen',
  planChange: 'Änderungen anfordern',
  planChangeHow: 'Zuerst oben sagen, was anders sein soll',
  entryDone: 'erledigt',
  entryGoing: 'in Arbeit',
  entryOpen: 'offen',

  // What the server does not say itself, by the status of its answer; 0: there was none
  problem(status) {
    if (status === 0) return 'Der Server ist nicht erreichbar.'
    if (status === 401 || status === 403) return 'Die Anmeldung gilt nicht mehr, oder es fehlt das Recht für diesen Chat. Seite neu laden und anmelden.'
    if (status === 404) return 'Dieser Server hat keinen Durable Chat. Ist jupyter-durable-chat dort installiert, wo Jupyter läuft?'
    return `Der Server antwortete mit einem Fehler (${status}).`
  },
  notAttached: 'Das ist nicht die Adresse eines Anhangs.',

  // Why something cannot be done in the notebook
  refusals: {
    cannotRun: 'Der Code steht in einer neuen Zelle, lässt sich aber gerade nicht ausführen.',
    noCell: 'Dieser Chat steht in keiner Zelle eines Notebooks.',
    nothingToReplace: 'Zuerst in die Zelle klicken, die ersetzt werden soll, dann erneut versuchen.',
  },
}
