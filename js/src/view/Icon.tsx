/** The view's icons: strokes on a 16 x 16 grid in the colour of the text. */

import { render } from 'preact'

const PATHS = {
  send: 'M8 13V3M3.5 7.5 8 3l4.5 4.5',
  stop: 'M4.5 4.5h7v7h-7z',
  down: 'M8 3v10M3.5 8.5 8 13l4.5-4.5',
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  check: 'M3 8.5 6.5 12 13 4.5',
  cross: 'M4 4l8 8M12 4l-8 8',
  warn: 'M8 2.5 14 13H2zM8 6.5v3M8 11.2v.1',
  pause: 'M5.5 4v8M10.5 4v8',
  cut: 'M2.5 8h4M9.5 8h1M12.5 8h1',
  tool: 'M9.8 6.2a3 3 0 0 1 3.6-3.9l-2 2 .3 1.7 1.7.3 2-2a3 3 0 0 1-3.9 3.6l-5.3 5.3a1.4 1.4 0 0 1-2-2z',
  link: 'M6.5 9.5 12.5 3.5M8.5 3.5h4v4M11 9.5v3H3.5V5h3',
  file: 'M4 1.8h5l3 3v9.4H4zM9 1.8v3h3',
  chevron: 'M6 4l4 4-4 4',
  back: 'M10 4 6 8l4 4',
  higher: 'M4 10l4-4 4 4',
  lower: 'M4 6l4 4 4-4',
  edit: 'M3 13v-2.6l7.4-7.4 2.6 2.6L5.6 13zM8.8 4.6l2.6 2.6',
  retry: 'M13 8a5 5 0 1 1-1.6-3.7L13 5.8M13 2.5v3.3H9.7',
  play: 'M5 3.5 12.5 8 5 12.5z',
  clip: 'M13 7.5 7.8 12.7a3 3 0 0 1-4.2-4.2l5.5-5.5a2 2 0 0 1 2.8 2.8L6.5 11.2a1 1 0 0 1-1.4-1.4l4.7-4.7',
  download: 'M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13h10',
  share: 'M8 9.5v-7M4.8 5.3 8 2.1l3.2 3.2M5 7.5H3.2v6h9.6v-6H11',
  ask: 'M5.6 6a2.4 2.4 0 1 1 3.4 2.2c-.7.3-1 .8-1 1.6M8 12.4v.1M8 1.8a6.2 6.2 0 1 0 .01 0',
  plan: 'M6 4h7.5M6 8h7.5M6 12h7.5M2.5 4h.6M2.5 8h.6M2.5 12h.6',
  insert: 'M2.5 3h11v4h-11zM8 9.5v4M6 11.5h4',
  more: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  grip: 'M6 4h.1M10 4h.1M6 8h.1M10 8h.1M6 12h.1M10 12h.1',
  code: 'M5.5 4.5 2 8l3.5 3.5M10.5 4.5 14 8l-3.5 3.5',
  dot: 'M8 6a2 2 0 1 0 .01 0',
  variable: 'M5.5 2.5c-2.5 0-1 5-3 5.5 2 .5.5 5.5 3 5.5M10.5 2.5c2.5 0 1 5 3 5.5-2 .5-.5 5.5-3 5.5',
  cell: 'M2.5 3.5h11v9h-11zM5 6l2 2-2 2M8.5 10H11',
  agent: 'M3 3.5h10v7H8L5 13v-2.5H3z',
  prompt: 'M4 4h8M4 8h8M4 12h5',
  enter: 'M13 3.5v4.2a1.8 1.8 0 0 1-1.8 1.8H3.5M6.5 6.5l-3 3 3 3',
  bell: 'M4.5 11V7a3.5 3.5 0 0 1 7 0v4l1.3 1.5H3.2zM6.7 14h2.6',
  silent: 'M4.5 11V7a3.5 3.5 0 0 1 7 0v4l1.3 1.5H3.2zM6.7 14h2.6M2.5 2l11 11',
  fork: 'M4.5 6v4M4.5 6a1.7 1.7 0 1 0-.01 0M4.5 13.3a1.7 1.7 0 1 0-.01 0M11.5 6a1.7 1.7 0 1 0-.01 0M11.5 6c0 2.5-2 2.8-4 3.2-1.5.3-3 .6-3 1',
  plus: 'M8 3.5v9M3.5 8h9',
  search: 'M7 2.8a4.2 4.2 0 1 0 .01 0M10.2 10.2 13.5 13.5',
  clock: 'M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3.2l2.2 1.3',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={`jdc-icon jdc-icon-${name}`} viewBox="0 0 16 16" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  )
}

/** The same as a node, for what is not drawn by Preact. */
export function icon(name: IconName): Node {
  const fragment = document.createDocumentFragment()
  render(<Icon name={name} />, fragment)
  return fragment
}
