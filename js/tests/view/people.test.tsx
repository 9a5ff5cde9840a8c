// @vitest-environment jsdom
/** Who wrote what is said when there is somebody else to be told apart from, and a name or a colour is never more than that. */

import { describe, expect, it } from 'vitest'
import type { Author } from '../../src/events'
import type { UIMessage } from '../../src/transcript'
import { colorOf, initials, signsIn } from '../../src/view/people'
import { all, did, draw, find, press, said, type } from './drawn'
import { answer, question, transcript } from './transcripts'

const ada: Author = { username: 'ada', name: 'Ada Lovelace', color: 'var(--jp-collaborator-color4)' }
const bob: Author = { username: 'bob', name: 'Bob' }
const code: Author = { username: 'ada', name: 'Ada Lovelace', via: 'kernel' }
const read: Author = { username: 'imported:eve', name: 'Eve (imported)' }

function asked(author: Author, turn: string): UIMessage {
  const message = question('Why?', turn)
  return { ...message, metadata: { ...message.metadata, author } }
}

const names = () => all('.jdc-author bdi').map((name) => name.textContent)

describe('the names of those who asked', () => {
  const cases: [string, Author[], string | null | undefined, string[]][] = [
    ['one’s own alone are not said', [ada, ada], 'ada', []],
    ['somebody else’s are', [ada], 'bob', ['Ada Lovelace']],
    ['all are, of several', [ada, bob], 'bob', ['Ada Lovelace', 'Bob']],
    ['what code said is said so', [code, bob], 'bob', ['Ada Lovelace, by code', 'Bob']],
    ['where nobody is told apart, none is', [ada, bob, code], null, []],
    ['where there is nobody to ask, those of several are', [ada, bob], undefined, ['Ada Lovelace', 'Bob']],
    ['and of one person and their code, none is', [ada, { ...code, username: 'root' }], undefined, []],
    ['who came with a file is always named', [read], null, ['Eve (imported)']],
  ]
  it.each(cases)('%s', async (_, authors, you, said) => {
    await draw({ transcript: transcript(authors.map((author, n) => asked(author, `t_${n}`))), you })
    expect(names()).toEqual(said)
    const labels = all('[data-role=user]').map((message) => message.getAttribute('aria-label'))
    expect(labels).toEqual(said.length ? said : authors.map(() => 'You'))
  })

  it('are said of what waits, too', async () => {
    await draw({ transcript: transcript([asked(ada, 't_1')], { queue: [asked(bob, 't_2')] }), you: 'ada' })
    expect(find('.jdc-queued .jdc-author')?.textContent).toContain('Bob')
  })

  it('are text, and two of one name are told apart by what Jupyter knows them by', async () => {
    const eve = { username: 'eve', name: '<img src=x onerror=alert(1)>A\u202eda' }
    await draw({ transcript: transcript([asked(eve, 't_1')]), you: 'ada' })
    expect(find('.jdc-author img')).toBeNull()
    expect(find('.jdc-author .jdc-invisible')?.dataset['jdcInvisible']).toBeTruthy()
    expect(find('.jdc-author')?.title).toBe('eve')
  })
})

it('who stopped an answer is said where several are there', async () => {
  const stopped = (by: Author) => [asked(ada, 't_1'), answer(['half'], { outcome: 'stopped', stopped_by: by })]
  await draw({ transcript: transcript(stopped(bob)), you: 'ada' })
  expect(find('.jdc-outcome')?.textContent).toContain('Stopped by Bob')
  await draw({ transcript: transcript(stopped(ada)), you: 'ada' })
  expect(find('.jdc-outcome')?.textContent).not.toContain('Ada')
})

describe('a colour', () => {
  it('is one of JupyterLab’s, or plain', async () => {
    expect(colorOf(ada)).toBe(4)
    expect(colorOf({ ...ada, color: '#a0B1c2' })).toBe('#a0B1c2')
    await draw({ transcript: transcript([asked(ada, 't_1')]), you: 'bob' })
    expect(find('.jdc-avatar')?.dataset['color']).toBe('4')
    expect(find('.jdc-avatar')?.getAttribute('style')).toBeNull()
  })

  const hostile = ['red', 'url(https://evil.example/)', 'var(--jp-collaborator-color4);background:url(//x)', '#fff;}', 'var(--x)', ' #aabbcc', '']
  it.each(hostile)('of any other kind is not drawn: %s', async (color) => {
    expect(colorOf({ ...bob, color })).toBe(colorOf(bob))
    await draw({ transcript: transcript([asked({ ...bob, color }, 't_1')]), you: 'ada' })
    expect(find('.jdc-avatar')?.getAttribute('style')).toBeNull()
  })

  it('is always the same for who has none', () => {
    const colors = new Set(Array.from({ length: 100 }, (_, n) => colorOf({ username: `user-${n}` })))
    expect([...colors].sort()).toEqual([1, 2, 3, 4, 5, 6, 7])
  })
})

it('initials are of the first and of the last word', () => {
  const of = (name: string) => initials({ username: 'u', name })
  expect([of('Ada King, Countess of Lovelace'), of('Bob'), of('Anonymous Metis'), of('李 明'), of('🙂'), of('')]).toEqual(['AL', 'B', 'AM', '李明', '?', 'U'])
})

it('a message without an author is nobody’s', () => {
  expect(signsIn(null, 'ada')(null)).toBe(false)
})

describe('who else is there', () => {
  const here = transcript([question('Why?')])
  const people = (count: number) => Array.from({ length: count }, (_, n) => ({ username: `u${n}`, name: `Person ${n}` }))

  it('is said only when somebody is', async () => {
    await draw({ transcript: here, you: 'ada' })
    expect(find('.jdc-people')).toBeNull()
    await draw({ transcript: here, you: 'ada', others: [bob] })
    expect(find('.jdc-people ul')?.getAttribute('aria-label')).toBe('Also here')
    expect(find('.jdc-people li')?.textContent).toBe('BBob')
    await draw({ transcript: here, you: 'ada', others: people(40) })
    expect(all('.jdc-people li').length).toBe(4)
    expect(find('.jdc-more-people')?.textContent).toBe('+37')
  })

  it('and who types, politely', async () => {
    const says = async (...typing: number[]) => {
      await draw({ transcript: here, you: 'ada', others: people(4).map((one, n) => ({ ...one, typing: typing.includes(n) })) })
      return find('.jdc-people [role=status]')?.textContent
    }
    expect([await says(), await says(1), await says(1, 2), await says(0, 1, 2)]).toEqual([
      '',
      'Person 1 is typing…',
      'Person 1 and Person 2 are typing…',
      'Several people are typing…',
    ])
    expect(find('.jdc-people ul')?.closest('[aria-live], [role=status]')).toBeNull()
  })

  it('is told that something is being written here, and when it is sent', async () => {
    await draw({ transcript: here, you: 'ada', others: [bob] })
    await type('Hm')
    await type(' ')
    await type('Hm?')
    await press('Enter')
    expect([did, said.writing]).toEqual([['send Hm?'], [true, false, true, false]])
  })
})
