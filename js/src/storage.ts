/**
 * What this browser keeps for us, over reloads and for all its tabs: JSON values by name. A browser that keeps nothing, or has
 * no room left, is no error: then it is as if nothing had been kept.
 */

const PREFIX = 'jupyter-durable-chat:'

/** What was kept; `null` for nothing. Whoever may write to this page's storage has written it, so it is to be checked. */
export function kept(name: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null')
  } catch {
    return null
  }
}

/** Keeps a value in place of the one before; where there is no room for it, neither is kept. `null` is forgotten. */
export function keep(name: string, value: unknown): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name)
    else localStorage.setItem(PREFIX + name, JSON.stringify(value))
  } catch {
    if (value !== null) keep(name, null)
  }
}

/** Calls `changed` with the name of what another tab has kept or forgotten. */
export function onKept(changed: (name: string) => void, signal?: AbortSignal): void {
  const hear = ({ key }: StorageEvent) => key?.startsWith(PREFIX) && changed(key.slice(PREFIX.length))
  addEventListener('storage', hear, signal ? { signal } : {})
}
