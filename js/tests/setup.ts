/**
 * Properties are told the same stories in every run, as those on the Python side; `PROOF=long` tells others. And what is
 * tested alone has the words that its chunk would have brought.
 */

import fc from 'fast-check'

import { en } from '../src/words/en'
import { late } from '../src/words/late'

if (process.env['PROOF'] !== 'long') fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: 1 })

Object.assign(en, late)
