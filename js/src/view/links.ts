/**
 * A link says where it leads. Whose words are those of another address (`[https://bank.example](https://evil.example)`), and
 * whose host can be taken for another one, is followed by the host that it leads to.
 */

/** What looks like a host, with what is written in front of it: a scheme, or nothing. */
const HOST = /(?<scheme>[a-z][a-z\d+.-]*:[/\\]{0,2})?(?<![\p{L}\p{N}.-])(?<host>(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,61}[\p{L}\p{N}])?\.){1,8}(?<top>[\p{L}\d-]{2,63}|\d+))(?![\p{L}\p{N}-])/giu

/** Endings of hosts that are none of files or of methods, with a scheme or without: `pandas.DataFrame` and `main.py` are no hosts. */
const TOP = /^(?:com|org|net|edu|gov|mil|int|info|biz|app|dev|bank|shop|site|online|xyz|cloud|example|test|xn--.*|[^\x00-\x7f]+|(?!md|py|rs|js|ts|sh|cc|pl|so)[a-z]{2})$/

/** What is not seen, or turns what follows around. */
const UNSEEN = /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]/g

/** The host, or mail address, to be shown beside these words; nothing where they lead nobody astray. */
export function leadsTo(words: string, url: URL): string {
  const target = url.protocol === 'mailto:' ? decoded(url.pathname) : url.host
  const said = words.replace(UNSEEN, '').normalize('NFKC').replace(/[\u3002\uff61]/g, '.').toLowerCase().slice(0, 2000)
  const isHidden = said.length < words.normalize('NFKC').slice(0, 2000).length
  const isForeign = /(?:^|\.)xn--/.test(url.hostname)
  const names = [...said.matchAll(HOST)].filter(({ groups }) => groups?.['scheme'] || TOP.test(groups?.['top'] ?? ''))
  const isOther = names.some(({ groups }) => hostname(groups?.['host'] ?? '') !== hostname(target.split('@').at(-1) ?? ''))
  return isHidden || isForeign || isOther ? target : ''
}

/** A file's name as it reads, so that `gpj.exe` is no picture. */
export function visible(name: string): string {
  return name.replace(UNSEEN, '')
}

function hostname(name: string): string {
  const address = `https://${name}`
  return URL.canParse(address) ? new URL(address).hostname.replace(/^www\./, '') : name
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
