/** A QR code, for a camera: black on white and with its quiet zone, whatever the colours around it are. */

import { generate } from 'lean-qr'
import { useMemo } from 'preact/hooks'

/** Modules around the code that stay white: readers want four. */
const QUIET = 4

export function Qr({ text, label }: { text: string; label: string }) {
  const [size, path] = useMemo(() => drawn(text), [text])
  return (
    <svg class="jdc-qr" viewBox={`${-QUIET} ${-QUIET} ${size + 2 * QUIET} ${size + 2 * QUIET}`} role="img" aria-label={label}>
      <rect x={-QUIET} y={-QUIET} width={size + 2 * QUIET} height={size + 2 * QUIET} fill="white" />
      <path d={path} fill="black" />
    </svg>
  )
}

/** How many modules there are in a row, and all that are black, as runs. */
function drawn(text: string): [number, string] {
  const code = generate(text)
  let path = ''
  for (let y = 0; y < code.size; y++) {
    for (let x = 0; x < code.size; x++) {
      const from = x
      while (code.get(x, y)) x++
      if (x > from) path += `M${from} ${y}h${x - from}v1h${from - x}z`
    }
  }
  return [code.size, path]
}
