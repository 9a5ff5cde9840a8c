/**
 * One request to the server: the login cookie and the XSRF token go with every one, and whatever comes back that is not
 * the answer is an `HttpError`.
 */

import { clock } from './clock'
import { you } from './you'

export class HttpError extends Error {
  constructor(
    /** 0: there was no answer. */
    readonly status: number,
    /** What the server says to a person; empty when it says nothing. */
    message = '',
    readonly code: string | null = null,
    /** From `Retry-After`. */
    readonly retrySeconds: number | null = null,
  ) {
    super(message)
  }

  /** The server wants to know first who asks. */
  get login(): boolean {
    return this.status === 401 || this.status === 403
  }

  /** Nothing is known about what became of the request: the server, or what is in front of it, is not there. */
  get unreachable(): boolean {
    const isOurs = this.code !== null // a hub says 424 or 503 of a server that does not run
    return [0, 502, 504].includes(this.status) || (!isOurs && [424, 503].includes(this.status))
  }
}

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

/** How a request gets to the server: the browser's own `fetch`, or `Kernel`'s where the page cannot reach the server. */
export type Fetch = (url: URL, init: RequestInit) => Promise<Response>

export interface Request {
  /** Anything: a file of which the bytes never change, so that the browser may keep them. */
  accept: 'application/json' | 'text/event-stream' | '*/*'
  xsrf: string
  method?: Method
  /** A file, which goes as it is, or what becomes JSON. */
  body?: unknown
  signal?: AbortSignal
  fetch?: Fetch
}

/**
 * The response, which is of the accepted type. Raises `HttpError`, also when the signal's time is over, and the signal's
 * reason when it was aborted.
 */
export async function request(url: URL, { accept, xsrf, method = 'GET', body, signal, fetch = globalThis.fetch }: Request): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept, 'X-XSRFToken': xsrf }
  const isFile = body instanceof Blob
  if (body !== undefined) headers['Content-Type'] = isFile ? body.type || 'application/octet-stream' : 'application/json'
  let response: Response
  const sent = Date.now()
  try {
    response = await fetch(url, {
      method,
      headers,
      credentials: 'same-origin',
      cache: accept === '*/*' ? 'default' : 'no-store',
      ...(body === undefined ? {} : { body: isFile ? body : JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    })
  } catch {
    const isLate = signal?.reason instanceof DOMException && signal.reason.name === 'TimeoutError'
    if (!isLate) signal?.throwIfAborted()
    throw new HttpError(0)
  }
  // What the browser had kept has the time at which that was made.
  if (accept !== '*/*') clock.hear(response.headers.get('Date'), sent)
  // A kernel's requests are the server's owner's, whoever sees the page.
  if (accept !== '*/*' && response.ok && fetch === globalThis.fetch) you.hear(response.headers.get('Durable-Chat-User'))
  if (!response.ok) throw await refusal(response)
  if (response.status === 204) return response
  const isAccepted = accept === '*/*' ? !response.redirected : response.headers.get('Content-Type')?.startsWith(accept)
  if (!isAccepted) {
    // A hub answers a request without a valid login with its login page.
    await response.body?.cancel()
    throw new HttpError(401)
  }
  return response
}

async function refusal(response: Response): Promise<HttpError> {
  const said = await told(response)
  // Why it refuses who asks is no help to them.
  const message = response.status === 401 || response.status === 403 ? '' : said.message
  const retryAfter = Number(response.headers.get('Retry-After') ?? NaN)
  return new HttpError(response.status, message, said.code, Number.isFinite(retryAfter) ? retryAfter : null)
}

/** What the server said for a person, if this is an error of its own making and not a page from something before it. */
async function told(response: Response): Promise<{ message: string; code: string | null }> {
  const text = await response.text().catch(() => '')
  try {
    const { message, code } = JSON.parse(text) as Record<string, unknown>
    return {
      message: typeof message === 'string' ? message : '',
      code: typeof code === 'string' ? code : null,
    }
  } catch {
    return { message: '', code: null }
  }
}

/** The token that Jupyter wants to see in a header: it is in a cookie that only pages of the server can read. */
export function xsrfToken(): string {
  return /(?:^|; ?)_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? ''
}
