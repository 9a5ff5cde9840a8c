import { vi } from 'vitest'

/** Return once it is so; fail when it takes too long. */
export function until(condition: () => boolean): Promise<boolean> {
  return vi.waitUntil(condition, { interval: 2, timeout: 20_000 })
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}
