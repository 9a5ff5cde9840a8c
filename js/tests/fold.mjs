// Arrays of events come in as JSON lines, and their transcripts go out: for tests that hold this fold and Python's together.

import { createInterface } from 'node:readline'

import { fold } from '../src/fold.ts'
import { emptyTranscript } from '../src/transcript.ts'

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(fold(emptyTranscript(), JSON.parse(line)))}\n`)
}
