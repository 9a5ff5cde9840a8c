/** English: what every other language is a translation of. A text with something in it is a function of that. */

export const en = {
  chat: 'Chat',
  copyCode: 'Copy code',
}
