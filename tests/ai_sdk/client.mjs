// A page without a screen: the chat of the AI SDK that `useChat` holds, over its own transport, told what to do in lines.
//
//     node client.mjs PACKAGE    then, for each line {"code": "…"} of the input, one line {"value" | "error": …}
//
// The code is the body of an async function that has the `sdk`, `chat`, `open` (which makes one), `until` (a state of it),
// what was `seen`, and what is `given` in the line.

import { createInterface } from "node:readline";

const sdk = await import(process.argv[2]);
const waits = new Set();

/** What React holds for `useChat`. */
class State {
  #messages;
  #status = "ready";
  error = undefined;
  constructor(messages) {
    this.#messages = messages;
  }
  get status() {
    return this.#status;
  }
  set status(status) {
    this.#status = status;
    this.#changed();
  }
  get messages() {
    return this.#messages;
  }
  set messages(messages) {
    this.#messages = messages;
    this.#changed();
  }
  pushMessage = (message) => void (this.messages = [...this.#messages, message]);
  popMessage = () => void (this.messages = this.#messages.slice(0, -1));
  replaceMessage = (index, message) => void (this.messages = this.#messages.with(index, message));
  snapshot = (thing) => structuredClone(thing);
  #changed() {
    queueMicrotask(() => waits.forEach((look) => look()));
  }
}

class Chat extends sdk.AbstractChat {
  constructor({ messages = [], ...init }) {
    super({ ...init, state: new State(messages) });
  }
}

let chat;
const seen = { data: [], finished: [] };

function open({ url, headers, id, messages, body, automatic }) {
  chat = new Chat({
    id,
    messages,
    transport: new sdk.DefaultChatTransport({ api: url, headers, body }),
    sendAutomaticallyWhen: automatic && sdk[automatic],
    onData: (part) => seen.data.push(part),
    onFinish: ({ isAbort, isError }) => seen.finished.push({ isAbort, isError }),
  });
}

function until(is) {
  return new Promise((resolve) => {
    const look = () => {
      if (!is()) return;
      waits.delete(look);
      resolve();
    };
    waits.add(look);
    look();
  });
}

const AsyncFunction = (async () => {}).constructor;

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const run = new AsyncFunction("chat", "open", "until", "seen", "given", "sdk", JSON.parse(line).code);
    answer = { value: (await run(chat, open, until, seen, JSON.parse(line).given, sdk)) ?? null };
  } catch (error) {
    answer = { error: String(error?.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0);
