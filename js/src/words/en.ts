/**
 * English: what every other language is a translation of. A text with something in it is a function of that; numbers come
 * to it written out (`numbers.ts`), so that it has to know only how many there are.
 *
 * Here is what the core says; what only chunks say is in `late.ts`.
 */

export const en = {
  // Everywhere
  assistant: 'Assistant',
  chat: 'Chat',
  coming: 'One moment…',
  copied: 'Copied',
  copyCode: 'Copy code',
  editMessage: 'Edit message',
  notLoaded: 'This could not be loaded yet.',
  send: 'Send',
  tryAgain: 'Try again',
  unseen: (names: string) => `Has characters that are not to be seen: ${names}`,
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
  waitsForKernel: 'The kernel is busy: what you send goes out when its cell is done.',

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

  // Moving
  turns: 'Turns',
  downloadChat: 'Download…',
  shareChat: 'Share…',
  readOnly: 'read only',
  linkOver: 'This link opens nothing, or nothing any more.',
  fold: 'Fold the answer',
  unfold: 'Unfold the answer',

  // A message
  editLater: 'It can be sent when the answer is over.',
  editNever: 'It cannot be sent now.',
  answerComes: 'The answer is on its way',
  continue: 'Continue',
  copyAnswer: 'Copy answer',
  fork: 'Continue in a new chat from here',
  copyQuestion: 'Copy question',
  retry: 'Retry',
  otherModel: 'Another model',
  helpTooLong: 'Another model may read more. A question above can be edited: what follows it is left out then.',
  helpSetting: 'Settings are read when Jupyter starts.',
  nearlyFull: (percent: string) =>
    `The model can read little more (${percent} of its context is used). Start a new chat, for instance Chat("part 2") in another cell, or edit a question above: what follows it is left out then.`,
  context: 'Context',
  sources: (count: number, written: string) => (count === 1 ? '1 source' : `${written} sources`),
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
  stoppedBy: (who: string) => `Stopped by ${who}`,
  fromNotebook: (name: string) => `${name}, by code`,
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
  sentBefore: 'It had arrived already, as it was before you changed it.',

  // Writing
  ask: 'Ask a question',
  followUp: 'Ask a follow-up',
  waitsItsTurn: 'Waits for its turn',
  waitsForResume: 'Waits with the others until you resume',
  stop: 'Stop',
  stopping: 'Stopping…',
  key: (action: string, key: string) => `${action} (${key})`,
  keys: { enter: 'Enter', control: 'Ctrl+Enter', command: '⌘ Enter', escape: 'Esc' },

  // Files
  image: 'image',
  showImage: (name: string, host: string) => (name ? `Show image “${name}” from ${host}` : `Show image from ${host}`),
  noName: 'without a name',

  // Parts of an answer
  reasoning: 'Reasoning',
  thinking: 'Thinking…',
  thoughtFor: (time: string) => `Thought for ${time}`,
  thoughtBriefly: 'Thought for a moment',

  // Calls
  waitsApproval: (call: string) => `${call} waits for your approval`,
  waitsPerson: (call: string) => `${call} waits for you`,
  waitsKernel: (call: string) => `${call} waits for the kernel`,
  waitsPlan: 'A plan waits for your decision',
  waitsQuestion: 'A question waits for your answer',

  // What the server does not say itself, by the status of its answer; 0: there was none
  problem(status: number): string {
    if (status === 0) return 'The server cannot be reached.'
    if (status === 401 || status === 403) return 'You are not logged in any more, or may not use this chat. Reload the page and log in.'
    if (status === 404) return 'This server has no durable chat. Is jupyter-durable-chat installed where Jupyter runs?'
    return `The server answered with an error (${status}).`
  },
  notAttached: 'This is not the address of an attachment.',
}
