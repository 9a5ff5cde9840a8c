/**
 * What this browser keeps for us, over reloads and for all its tabs: JSON values by name. A browser that keeps nothing, or has
 * no room left, is no error: then it is as if nothing had been kept. What is found may be of another version of this front end.
 */

const PREFIX = 'jupyter-durable-chat:'

interface Kept {
  value: unknown
  /** When, in milliseconds. */
  at: number
}

/** What was kept; `null` for nothing. */
export function kept(name: string): unknown {
  return read(name)?.value ?? null
}

/** Keeps a value in place of the one before; where there is no room for it, neither is kept. `null` is forgotten. */
export function keep(name: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name)
    else localStorage.setItem(PREFIX + name, JSON.stringify({ value, at: Date.now() } satisfies Kept))
  } catch {
    if (value !== null) keep(name, null)
  }
}

/** The names of what is kept, of those that begin so. */
export function namesOf(beginning: string): string[] {
  try {
    const names = Array.from({ length: localStorage.length }, (_, index) => localStorage.key(index) ?? '')
    return names.filter((name) => name.startsWith(PREFIX + beginning)).map((name) => name.slice(PREFIX.length))
  } catch {
    return []
  }
}

/** Forgets what was kept longer ago, of those that begin so. */
export function forgetOld(beginning: string, days: number): void {
  const since = Date.now() - days * 86_400_000
  for (const name of namesOf(beginning)) if (!((read(name)?.at ?? 0) > since)) keep(name, null)
}

/** Calls `changed` with the name of what another tab has kept or forgotten. */
export function onKept(changed: (name: string) => void, signal?: AbortSignal): void {
  const hear = ({ key }: StorageEvent) => key?.startsWith(PREFIX) && changed(key.slice(PREFIX.length))
  addEventListener('storage', hear, signal ? { signal } : {})
}

function read(name: string): Partial<Kept> | null {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null') as Partial<Kept> | null
  } catch {
    return null
  }
}
