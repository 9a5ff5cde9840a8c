// The reference server of Durable Streams: `node serve.mjs PORT [FOLDER]`, in memory, or in files of this folder.
import { DurableStreamTestServer } from '@durable-streams/server';

const [port, dataDir] = process.argv.slice(2);
await new DurableStreamTestServer({ port: Number(port), dataDir }).start();
