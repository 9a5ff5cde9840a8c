// What these tests attack with, for the tests of real browsers: as JSON, so what UTF-8 cannot hold is left out.

import { attacks } from './attacks.ts'
import { corpus as all } from './corpus.ts'
import { saying, transcripts } from './everything.ts'
import { foreign } from './foreign.ts'

const corpus = all.filter((attack) => attack.isWellFormed())
const [everything] = transcripts
const few = [...attacks, ...corpus].filter((_, n) => n % 250 === 0)
process.stdout.write(JSON.stringify({ attacks, corpus, everything: few.map((attack) => saying(everything, attack)), foreign: `(${foreign})` }))
