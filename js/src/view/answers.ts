/** What a model, or a tool, asks a person: read from arguments that anybody may have written; and answers to it. */

import { isRecord } from '../restore'
import { words } from '../words'

export interface Question {
  id: string
  header: string
  question: string
  options: Option[]
  multiple: boolean
  /** Something else than the options may be written. */
  freeText: boolean
  required: boolean
  kind: 'text' | 'number' | 'integer' | 'boolean'
}

export interface Option {
  label: string
  description: string
}

export type Answer = string | number | boolean | (string | number | boolean)[]

/** What is chosen and written for a question, before it is an answer. */
export interface Draft {
  chosen: readonly string[]
  text: string
}

export const NO_DRAFT: Draft = { chosen: [], text: '' }

const MOST = 20

const text = (value: unknown) => (typeof value === 'string' ? value : '')

/** The questions in a call's arguments; none while they are not there yet, or are not questions. */
export function questionsOf(input: unknown): Question[] {
  if (!isRecord(input) || !Array.isArray(input['questions'])) return []
  return input['questions'].slice(0, MOST).flatMap((asked: unknown, index) => {
    if (!isRecord(asked) || typeof asked['question'] !== 'string') return []
    const { id, header, question, options, multiple, free_text, required, kind } = asked
    return {
      // The server calls one without an id by its place, too.
      id: text(id) || String(index + 1),
      header: text(header),
      question: question as string,
      options: Array.isArray(options) ? options.flatMap(optionOf) : [],
      multiple: multiple === true,
      freeText: free_text === true,
      required: required !== false,
      kind: kind === 'number' || kind === 'integer' || kind === 'boolean' ? kind : 'text',
    }
  })
}

/** What is said before the questions. */
export function wordsBefore(input: unknown): string {
  return isRecord(input) ? text(input['text']) : ''
}

function optionOf(value: unknown): Option[] {
  if (typeof value === 'string') return [{ label: value, description: '' }]
  if (!isRecord(value) || typeof value['label'] !== 'string') return []
  return [{ label: value['label'], description: text(value['description']) }]
}

/** The answer that a draft amounts to; `undefined`: none. */
export function answerOf(question: Question, { chosen, text }: Draft): Answer | undefined {
  const written = writtenOf(question, text)
  if (question.multiple) {
    const all = [...new Set([...chosen, ...(written === undefined ? [] : [written])])]
    return all.length > 0 ? all : undefined
  }
  if (written !== undefined) return written
  const [label] = chosen
  if (label === undefined) return undefined
  return question.options.length === 0 && question.kind === 'boolean' ? label === words.yes : label
}

function writtenOf({ options, kind }: Question, text: string): string | number | undefined {
  const written = text.trim()
  if (!written) return undefined
  if (options.length > 0 || (kind !== 'number' && kind !== 'integer')) return written
  const number = Number(written)
  return Number.isFinite(number) && (kind === 'number' || Number.isInteger(number)) ? number : undefined
}

/** Why a draft cannot be sent; nothing when it can. */
export function problemOf(question: Question, draft: Draft): string {
  if (answerOf(question, draft) !== undefined) return ''
  if (draft.text.trim()) return question.kind === 'integer' ? words.needsWholeNumber : words.needsNumber
  return question.required ? words.needsAnswer : ''
}

/** What was answered, as a person reads it; `null`: declined, cancelled, or no answer at all. */
export function answersOf(output: unknown): Map<string, string> | null {
  if (!isRecord(output) || output['action'] !== 'accept' || !isRecord(output['answers'])) return null
  return new Map(Object.entries(output['answers']).map(([id, answer]) => [id, wordsOf(answer)]))
}

export function actionOf(output: unknown): string {
  return isRecord(output) ? text(output['action']) : ''
}

function wordsOf(answer: unknown): string {
  if (Array.isArray(answer)) return answer.map(wordsOf).join(', ')
  if (typeof answer === 'boolean') return answer ? words.yes : words.no
  return typeof answer === 'string' ? answer : JSON.stringify(answer)
}
