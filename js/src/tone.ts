/**
 * A short tone for each kind of notice: up, down, or twice the same. Browsers play none before the person has used the page:
 * it is not played later then, when it would say nothing.
 */

import type { NoticeKind } from './inbox'

const TONES: Record<NoticeKind, readonly number[]> = { done: [523, 784], failed: [392, 294], waiting: [659, 659] }

/** Seconds. */
const LENGTH = 0.14

/** Milliseconds after which all of it was heard, or will not be. */
const OVER = 2000

export function play(kind: NoticeKind): void {
  if (typeof AudioContext === 'undefined') return
  const audio = new AudioContext()
  const [first = 0, second = 0] = TONES[kind]
  for (const [place, pitch] of [first, second].entries()) {
    const at = audio.currentTime + place * LENGTH * 1.2
    const source = new OscillatorNode(audio, { frequency: pitch, type: 'sine' })
    const volume = new GainNode(audio, { gain: 0 })
    volume.gain.setValueAtTime(0, at)
    volume.gain.linearRampToValueAtTime(0.12, at + 0.02)
    volume.gain.exponentialRampToValueAtTime(0.001, at + LENGTH)
    source.connect(volume).connect(audio.destination)
    source.start(at)
    source.stop(at + LENGTH)
  }
  setTimeout(() => void audio.close(), OVER)
}
