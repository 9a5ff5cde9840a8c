/**
 * What the view is given and what it may ask for. The core owns connection, state and the root element; the view draws
 * `ChatViewProps` and calls `Actions`, and knows nothing of HTTP, streams or hosts.
 *
 * `src/view/index.ts` exports `ChatView(props: ChatViewProps): VNode`, rendered by the core into the root element (class
 * `jdc`, `data-*` set by it). `styles.ts` puts the styles into the document or shadow root that holds the root element.
 * `toMarkdown`, `toText`: `(transcript: Transcript, turn: string | null) => string`, for the saved output. (`toHtml` is the same
 * for a page; only tests read it, and no build has it.)
 *
 * Everything is compared by identity: a message or part object that is the same object has not changed.
 * A transcript may come from a hostile file. Its shape has been checked (restore.ts), its texts have not.
 */

import type { Person } from '../connection/protocol'
import type { Mode } from '../events'
import type { FilePart, Part, Transcript } from '../transcript'
import type { Words } from '../words'

/**
 * `connecting`: not yet, or again. `live`: every event is seen as it happens. `idle`: complete, and no connection is
 * needed now. `offline`: cannot reach the server, tries again by itself. `gone`: the server does not have this session.
 * `static`: there is no server, only what was saved.
 */
export type ConnectionState = 'connecting' | 'live' | 'idle' | 'offline' | 'gone' | 'static'

/**
 * What the person wrote and the transcript does not have yet. `error` set: it has not come there, and waits to be sent again
 * or discarded.
 */
export interface Outgoing {
  clientId: string
  text: string
  /** What is attached to it. */
  parts?: readonly Part[]
  error: string | null
  /** The server could not be reached with it, which is tried again until it can. */
  delayed?: boolean
  /** The message, asked or waiting, that is to say this instead; `null`: it is a message of its own. */
  edits: string | null
}

/** What is being written, as it is kept until it is sent. */
export interface Draft {
  text: string
  /** What is stored beside the session already, and how large it is. */
  files: readonly { part: FilePart; size: number }[]
  /** What its text names of the notebook. */
  named?: readonly Mention[]
  /** Who is to answer this message. */
  agent?: string | null
}

/** Who is to answer, and how; `null`: whoever, or however, it is without a choice. What is absent stays as it is. */
export interface Choice {
  agent?: string | null
  model?: string | null
  effort?: string | null
  mode?: Mode | null
  /** Nobody is told of the session. */
  muted?: boolean
}

/** Who answers in a session, and how. */
export interface Chosen {
  agent: string | null
  model: string | null
  effort: string | null
}

/** Who can answer, as the server says it. */
export interface Agents {
  /** The name of the one that answers where none is chosen. */
  default: string
  agents: AgentInfo[]
  /** Texts that the server keeps for everybody, to begin a message with. */
  prompts?: Prompt[]
}

export interface Prompt {
  name: string
  description: string
  /** What has a name in braces is for the person to fill in. */
  text: string
}

export interface AgentInfo {
  name: string
  description?: string
  models: string[]
  efforts?: string[]
  available: boolean
  /** Why it cannot answer now. */
  why: string | null
}

export interface Fork {
  session: string
  /** The address of its page. */
  page: string
}

/** What the server makes of a conversation to be saved. */
export type FileFormat = 'md' | 'html' | 'ipynb' | 'json'

/** A link to be made: for whom, in words of whoever makes it, and for how many seconds; `null`: until it is revoked. */
export interface NewShare {
  name: string
  seconds: number | null
}

/** A link that was made, which nobody is told again, and how it is revoked. */
export interface NewLink {
  id: string
  link: string
}

/** What reading needs. */
export interface Reads {
  /** The bytes behind `attachment:HASH`. Rejects with what went wrong, in words. */
  attachment(url: string, signal: AbortSignal): Promise<Blob>
  /** Try now instead of when the back-off is over. */
  reconnect(): void
}

/**
 * None of these throws. What the person wrote is in `outbox` until the transcript has it; any other failure is the `notice`,
 * but for what is asked for and said to reject.
 */
export interface Actions extends Reads {
  send(text: string, options?: { parts?: Part[] } & Choice): void
  resend(clientId: string): void
  discard(clientId: string): void
  /** Changes what has not come to the server. If it had come there all the same, the text stays in the outbox, as another message. */
  amend(clientId: string, text: string): void
  /** What was being written here; one for each session and browser. */
  draft(): Draft | null
  keepDraft(draft: Draft | null): void
  /** Something is being written, or no longer: the others who are there may know. */
  writes(isWriting: boolean): void
  stop(): void
  /** Answer again, beside the old answer; with `text`, to that, which becomes a message beside the old one. */
  retry(messageId: string, options?: { text?: string } & Choice): void
  /** Go on from an answer of which `canContinue` is true. */
  continueAnswer(messageId: string): void
  /** Show the newest branch through this message. */
  selectBranch(messageId: string): void
  removeQueued(messageId: string): void
  /** If it does not wait any more, the text stays in the outbox, to be sent as a message of its own. */
  editQueued(messageId: string, text: string): void
  /** These first, in this order. */
  reorderQueue(messageIds: string[]): void
  resumeQueue(): void
  /** Say whether a call may be run. Whether that has come to the server; if not, the `notice` says why. */
  approve(approvalId: string, approved: boolean, reason?: string): Promise<boolean>
  /** Give the result of a call that waits for a person. Whether that has come to the server, as with `approve`. */
  answerCall(callId: string, output: unknown): Promise<boolean>
  /** For everyone in this session, from the next message on. */
  choose(choice: Choice): void
  /** Rejects with what went wrong, in words. `fresh`: ask again, what is available may have changed. */
  agents(fresh: boolean): Promise<Agents>
  /** Stores a file beside the session, to be sent as a part of a message, once the server can be reached. Rejects with what went wrong, in words. */
  upload(file: File, signal: AbortSignal): Promise<FilePart>
  /** Makes a session that begins with this one, until this message's answer was over. Rejects with what went wrong, in words. */
  fork(messageId: string): Promise<Fork>
  /** The conversation as a file, and its name. Rejects with what went wrong, in words. */
  exported(format: FileFormat, signal: AbortSignal): Promise<{ bytes: Blob; name: string }>
  /** Where the session is a page of its own; `null` where the page cannot reach the server, and so has no address of it. */
  address(): string | null
  /** Whether links may be made by which anybody reads. Rejects with what went wrong, in words. */
  mayShare(): Promise<boolean>
  /** Such a link, which nobody is told again. Rejects with what went wrong, in words. */
  makeLink(made: NewShare): Promise<NewLink>
  /** The link opens nothing any more. Rejects with what went wrong, in words. */
  revokeLink(shareId: string): Promise<void>
}

/**
 * What the notebook around a chat lets it do: JupyterLab's and Notebook 7's plugin (`lab/`) offers it to every chat of the page.
 * `from` is any element of the chat: it says which cell, of which notebook, is meant. What does not work rejects with an error
 * whose message is a `Refusal`, or in words for a person.
 */
export interface Notebook {
  /** The kinds of code (`kinds.ts`) that a cell of the notebook around takes; `null`: no notebook is around. */
  kinds(from: Element): readonly string[] | null
  /**
   * Puts code into a new cell below the chat's and those that came from the chat before, makes it the active one, and shows it. Where
   * such a cell has this code, it is that one.
   */
  insertBelow(snippet: Snippet, from: Element): Promise<void>
  /** The same, and runs the cell. */
  run(snippet: Snippet, from: Element): Promise<void>
  /**
   * What `replace` would replace: the code cell that the person was in last before they turned to the chat, be it one that came from
   * there. Never the chat's own. `null`: they were in none, so nothing is replaced.
   */
  target(from: Element): Target | null
  /** Puts code in place of that cell's, and the cursor there: undo brings the old code back. */
  replace(snippet: Snippet, from: Element): Promise<void>
  /** Resolves when it is this page's turn to write into the cell: whether another page may have done so meanwhile. */
  turnToWrite(from: Element): Promise<boolean>
  /** What can be named: variables of the kernel, cells, files beside the notebook. Those that fit `query` best come first. */
  mentions(query: string, from: Element, signal: AbortSignal): Promise<Mentions>
  /** What a message carries of it as it is now: a part, or a file to be stored beside the session. */
  mentioned(mention: Mention, from: Element, signal: AbortSignal): Promise<Part | File>
  /** The session that is shown there has messages. Said once for each place. */
  begun(session: string, from: Element): void
}

/** A code block: its language as the fence names it, or nothing. */
export interface Snippet {
  code: string
  language: string
}

/** A cell, as a person knows it again. */
export interface Target {
  /** The number of its last run. */
  count: number | null
  /** The first line of its code. */
  line: string
}

/** Why something cannot be done in the notebook. */
export type Refusal = keyof Words['refusals']

export interface Mentions {
  found: Mention[]
  /** Why there are no variables among them, if that has a reason: the kernel is busy, there is none, or it does not know us. */
  kernel: 'ready' | 'busy' | 'none' | 'foreign'
  /** The same with the variables, when a busy kernel is free. */
  later?: Promise<Mentions>
}

export interface Mention {
  kind: 'variable' | 'cell' | 'file'
  /** What is written behind the `@`, and unique among its kind. */
  name: string
  /** What it is, in a few words. */
  detail: string
  /** What it is known by where its name may become another one's: a cell that is run again has another number. */
  id?: string
}

export interface ChatViewProps {
  /** `null` until there is anything to draw. */
  transcript: Transcript | null
  /** Set: draw this turn's messages only, and no input. */
  turn: string | null
  state: ConnectionState
  /** How often events were missed and fetched again. */
  gaps: number
  /** Why it is not `live`, or what went wrong with a command: text for a person, or nothing. */
  notice: string | null
  outbox: readonly Outgoing[]
  /** `null`: nothing can be asked (`static`), or nothing but to read. */
  actions: Actions | null
  /** Of a guest, who has a link to read by. */
  reads?: Reads
  /** `null`: the host has no notebook that a chat can reach. */
  notebook: Notebook | null
  /** The user's name; `null`: the server does not tell people apart; `undefined`: nobody has said. */
  you: string | null | undefined
  /** Who else is there now. */
  others: readonly Person[]
  /** What time it is for the server, which gives the events theirs, in milliseconds. */
  now(): number
}
