/** Properties are told the same stories in every run, as on the Python side; `PROOF=long` tells others. */

import fc from 'fast-check'

if (process.env['PROOF'] !== 'long') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 1 })
