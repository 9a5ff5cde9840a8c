/**
 * English: what every other language is a translation of. A text with something in it is a function of that; numbers come
 * to it written out (`numbers.ts`), so that it has to know only how many there are.
 */

export const en = {
  // Everywhere
  assistant: 'Assistant',
  cancel: 'Cancel',
  chat: 'Chat',
  coming: 'One moment…',
  copyCode: 'Copy code',
  editMessage: 'Edit message',
  notLoaded: 'This could not be loaded yet.',
  send: 'Send',
  tryAgain: 'Try again',
  modes: { ask: 'Ask', plan: 'Plan', act: 'Act' },
  onItsWay: 'On its way…',
  you: 'You',

  // The chat around the messages
  states: {
    connecting: 'connecting…',
    live: 'live',
    idle: 'ready',
    offline: 'offline',
    gone: 'gone',
    static: 'saved copy',
  },
  notices: {
    offline: 'No connection to the server. An answer that is on its way goes on there.',
    gone: 'The server does not have this conversation any longer. This is what was saved.',
    static: 'A saved copy: there is no server to ask from here.',
  },
  missed: (times: string) => `${times} times events were missed and fetched again`,
  connecting: 'Connecting…',
  nothingYet: 'Nothing here yet',
  emptyTitle: 'What would you like to know?',
  emptyText: 'The answer keeps coming while the kernel restarts, the page reloads, or you are away.',
  leftOut: (count: number, written: string) =>
    count === 1 ? '1 earlier message is left out' : `${written} earlier messages are left out`,
  reconnect: 'Reconnect',
  removedFromQueue: 'Removed from the queue',
  andMore: (count: string) => ` (and ${count} more)`,
  show: 'Show',
  firstKernel: 'This waits for the kernel first',
  firstPerson: 'This waits for your answer first',
  newBelow: 'New text below',
  height: 'Height of the chat',
  resize: 'Drag to resize, double-click to reset',

  // What a screen reader says
  answering: 'Answering',
  endings: {
    completed: 'Answer complete',
    stopped: 'Answer stopped',
    failed: 'Answer failed',
    truncated: 'Answer cut off',
    interrupted: 'Answer interrupted',
  },
  answerOver: 'Answer over',

  // A message
  editLater: 'It can be sent when the answer is over.',
  editNever: 'It cannot be sent now.',
  answerComes: 'The answer is on its way',
  continue: 'Continue',
  copyAnswer: 'Copy answer',
  retry: 'Retry',
  retryOther: 'Retry with another model or agent',
  retryWith: 'Retry with',
  version: (at: string, of: string) => `Version ${at} of ${of}`,
  nextVersion: 'Next version',
  previousVersion: 'Previous version',
  outcomes: {
    stopped: 'Stopped',
    failed: 'The answer failed',
    truncated: 'Cut off',
    interrupted: 'Interrupted',
    unknown: 'Unfinished',
  },
  budgetSpent: 'The budget is used up',
  whyTruncated: 'The stream ended before the model said that it was done.',
  whyInterrupted: 'The server went away during this answer. What had arrived is kept.',
  whyUnfinished: 'The answer was still coming when this copy was saved.',
  inMode: { ask: 'ask mode', plan: 'plan mode' },
  tokens: (count: string) => `${count} tokens`,
  tokensOf: (count: string, kind: string) => `${count} ${kind.replaceAll('_', ' ')}`,
  contextFull: (percent: string) => `context ${percent} full`,
  inContext: (count: string) => `${count} tokens in the context`,
  inContextOf: (count: string, window: string) => `${count} of ${window} tokens in the context`,
  seconds: (count: string) => `${count} s`,
  minutes: (minutes: string, seconds: string) => `${minutes} min ${seconds} s`,
  hours: (hours: string, minutes: string) => `${hours} h ${minutes} min`,

  // What is on its way to the server
  sending: 'Sending…',
  notSent: (why: string) => `Not sent. ${why}`,
  sendAgain: 'Send again',
  discard: 'Discard',

  // Writing
  message: 'Message',
  ask: 'Ask a question',
  followUp: 'Ask a follow-up',
  followUpResumes: (key: string) => `Ask a follow-up (${key} resumes)`,
  waitsItsTurn: 'Waits for its turn',
  waitsForResume: 'Waits with the others until you resume',
  editLost: 'The message that you were editing has gone. This is your text.',
  filesFirst: 'It can be sent when the files are there.',
  stop: 'Stop',
  stopping: 'Stopping…',
  key: (action: string, key: string) => `${action} (${key})`,
  keys: { enter: 'Enter', control: 'Ctrl+Enter', command: '⌘ Enter', escape: 'Esc' },
  sendKey: 'What sends a message',
  sendKeyTitle: 'What sends a message, in all chats of this browser. Shift+Enter is always a new line.',
  sends: (key: string) => `${key} sends`,

  // Files
  attached: 'Attached',
  attachFiles: 'Attach files',
  uploading: 'uploading…',
  remove: (name: string) => `Remove ${name}`,
  pictureComes: 'The picture is on its way',
  save: (name: string) => `Save ${name}`,
  image: 'image',
  showImage: (name: string, host: string) => (name ? `Show image “${name}” from ${host}` : `Show image from ${host}`),
  noName: 'without a name',

  // The queue
  queue: 'Waiting messages',
  waiting: (count: number, written: string) =>
    count === 1 ? '1 message waits for its turn' : `${written} messages wait for their turn`,
  heldStopped: (count: number, written: string) =>
    `You stopped the last answer; ${count === 1 ? 'this message waits' : `these ${written} wait`}.`,
  held: (count: number, written: string, why: string) =>
    `${why} Until you resume, ${count === 1 ? 'this message waits' : `these ${written} wait`}.`,
  resume: 'Resume',
  queued: 'Waiting message',
  saveEdit: 'Save',
  saveNever: 'It cannot be saved now.',
  files: (count: number, written: string) => (count === 1 ? '1 file' : `${written} files`),
  moveUp: 'Move up',
  moveDown: 'Move down',
  removeMessage: 'Remove message',

  // Who answers, and how
  agent: 'Agent',
  whoAnswers: 'Who answers',
  whoAnswersNow: (who: string) => `Who answers: ${who}`,
  whoCan: 'Asking who can answer…',
  effort: 'Effort',
  usual: 'usual',
  default: 'default',
  notAvailable: 'not available now',
  modelsOf: (agent: string) => `Models of ${agent}`,
  mode: 'Mode',
  modeDoes: {
    ask: 'it only answers, without tools',
    plan: 'it looks, and proposes what to do',
    act: 'it does what is asked',
  },

  // Parts of an answer
  reasoning: 'Reasoning',
  thinking: 'Thinking…',
  thoughtFor: (time: string) => `Thought for ${time}`,
  thoughtBriefly: 'Thought for a moment',
  moreCharacters: (count: string) => `… ${count} more characters`,

  // Calls
  arguments: 'Arguments',
  result: 'Result',
  log: 'Log',
  nothing: 'nothing',
  cutBytes: (count: string) => `cut: ${count} bytes in all`,
  callStates: {
    'not-run': 'not run',
    'no-result': 'no result',
    denied: 'denied',
    done: 'done',
    failed: 'failed',
    writing: 'writing arguments…',
    approval: 'waits for your approval',
    person: 'waits for your answer',
    kernel: 'waits for the kernel',
    running: 'running…',
  },
  deniedBy: (who: string) => `denied by ${who}`,
  waitsApproval: (call: string) => `${call} waits for your approval`,
  waitsPerson: (call: string) => `${call} waits for you`,
  waitsKernel: (call: string) => `${call} waits for the kernel`,
  waitsPlan: 'A plan waits for your decision',
  waitsQuestion: 'A question waits for your answer',
  /** What is between the two is the tool's name. */
  kernelTakes: ['It goes on as soon as a kernel takes it. If the kernel was restarted, run the cell that offers', 'again.'] as [
    string,
    string,
  ],
  progressOf: (call: string) => `Progress of ${call}`,
  farOf: (done: string, total: string) => `${done} of ${total}`,

  // Approvals
  approvalOf: (call: string) => `Approval of ${call}`,
  allowQuestion: (call: string) => `Allow ${call}?`,
  allowsSession: 'Then it may run again in this chat without being asked for.',
  deniedAt: (time: string) => `Without an answer by ${time}, it is denied.`,
  allow: 'Allow',
  allowSession: 'Allow for this chat',
  deny: 'Deny',
  whyNot: 'Why not (optional)',
  whyDenied: (call: string) => `Why ${call} is denied (optional)`,
  allowed: (who: string) => (who ? `Allowed by ${who}` : 'Allowed'),
  allowedSession: (who: string) => (who ? `Allowed for this chat by ${who}` : 'Allowed for this chat'),
  denied: (who: string) => (who ? `Denied by ${who}` : 'Denied'),

  // Questions
  question: 'Question',
  questionOf: (at: string, of: string) => `Question ${at} of ${of}`,
  stepOf: (at: string, of: string) => `${at} of ${of}`,
  back: 'Back',
  next: 'Next',
  decline: 'Decline',
  declineDoes: 'It goes on without your answer',
  cancelDoes: 'It gives up what it asked for',
  somethingElse: 'Something else',
  number: 'A number',
  wholeNumber: 'A whole number',
  yourAnswer: 'Your answer',
  yes: 'Yes',
  no: 'No',
  needsNumber: 'This takes a number.',
  needsWholeNumber: 'This takes a whole number.',
  needsAnswer: 'This needs an answer.',
  declined: 'Declined',
  cancelled: 'Cancelled',
  noAnswer: 'No answer',
  notAnswered: 'Not answered',
  notAnsweredWhy: (why: string) => `Not answered: ${why}`,

  // Plans
  plan: 'Plan',
  planNamed: (title: string) => `Plan: ${title}`,
  planWaits: 'waits for your decision',
  decisions: { approve: 'Approved', change: 'Changes asked for', cancel: 'Cancelled' },
  notDecided: 'Not decided',
  notDecidedWhy: (why: string) => `Not decided: ${why}`,
  planBecomes: 'What becomes of the plan',
  planDifferent: 'What should be different?',
  planApprove: 'Approve and carry out',
  planChange: 'Ask for changes',
  planChangeHow: 'Say above what should be different',
  entryDone: 'done',
  entryGoing: 'being done',
  entryOpen: 'to do',

  // What the server does not say itself, by the status of its answer; 0: there was none
  problem(status: number): string {
    if (status === 0) return 'The server cannot be reached.'
    if (status === 401 || status === 403) return 'You are not logged in any more, or may not use this chat. Reload the page and log in.'
    if (status === 404) return 'This server has no durable chat. Is jupyter-durable-chat installed where Jupyter runs?'
    return `The server answered with an error (${status}).`
  },
  notAttached: 'This is not the address of an attachment.',

  // Why something cannot be done in the notebook
  refusals: {
    cannotRun: 'It is in a new cell, but cannot be run now.',
    noCell: 'This chat is not in a cell of a notebook.',
    nothingToReplace: 'Click into the cell that it should replace, then try again.',
  },
}
