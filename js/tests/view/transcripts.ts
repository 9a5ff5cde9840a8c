/** Transcripts to draw. */

import { emptyTranscript, type Metadata, type Part, type Transcript, type UIMessage } from '../../src/transcript'

export function transcript(messages: UIMessage[], more: Partial<Transcript> = {}): Transcript {
  return {
    ...emptyTranscript(),
    id: 's_1',
    lsn: 9,
    notebook: 'a.ipynb',
    messages,
    created_at: '2026-11-20T20:15:00.000Z',
    updated_at: '2026-11-20T20:15:09.000Z',
    ...more,
  }
}

export function question(text: string, turn = 't_1', parts: Part[] = []): UIMessage {
  return { id: `q_${turn}`, role: 'user', parts: [{ type: 'text', text }, ...parts], metadata: { turn } }
}

export function answer(parts: (Part | string)[], metadata: Metadata = {}, turn = 't_1'): UIMessage {
  return {
    id: `a_${turn}`,
    role: 'assistant',
    parts: parts.map((part) => (typeof part === 'string' ? { type: 'text', text: part, state: 'done' } : part)),
    metadata: { turn, agent: 'demo', outcome: 'completed', ...metadata },
  }
}

/** The answer of `t_1`, so far, while it runs. */
export function running(text: string, stopping = false): Transcript {
  const message = answer(text ? [{ type: 'text', text, state: 'streaming' }] : [])
  delete message.metadata.outcome
  return transcript([question('Why?'), message], {
    status: 'streaming',
    turn: {
      id: 't_1',
      user_message_id: 'q_t_1',
      message_id: 'a_t_1',
      agent: 'demo',
      model: null,
      effort: null,
      mode: null,
      tools: null,
      started_at: '2026-11-20T20:15:01.000Z',
      stopping,
      continues: false,
      first_part: 0,
      acting: false,
      steps: 0,
      nested_tokens: 0,
      usage: {},
      waits_since: null,
    },
  })
}

/** A message that waits. */
export function waiting(id: string, text: string, turn = `t_${id}`): UIMessage {
  return { id, role: 'user', parts: [{ type: 'text', text, state: 'done' }], metadata: { turn, client_id: `c_${id}` } }
}
