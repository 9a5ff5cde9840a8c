/**
 * One request to the server: the login cookie and the XSRF token go with every one, and whatever comes back that is not
 * the answer is an `HttpError` whose message is for a person.
 */

import { clock } from './clock'

export class HttpError extends Error {
  constructor(
    /** 0: there was no answer. */
    readonly status: number,
    message: string,
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
    return [0, 502, 504].includes(this.status)
  }
}

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export interface Request {
  /** Anything: a file of which the bytes never change, so that the browser may keep them. */
  accept: 'application/json' | 'text/event-stream' | '*/*'
  xsrf: string
  method?: Method
  /** A file, which goes as it is, or what becomes JSON. */
  body?: unknown
  signal?: AbortSignal
}

/** The response, which is of the accepted type. Raises `HttpError`, and the signal's reason when that was aborted. */
export async function request(url: URL, { accept, xsrf, method = 'GET', body, signal }: Request): Promise<Response> {
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
    signal?.throwIfAborted()
    throw new HttpError(0, UNREACHABLE)
  }
  // What the browser had kept has the time at which that was made.
  if (accept !== '*/*') clock.hear(response.headers.get('Date'), sent)
  if (!response.ok) throw await refusal(response)
  const isAccepted = accept === '*/*' ? !response.redirected : response.headers.get('Content-Type')?.startsWith(accept)
  if (!isAccepted) {
    // A hub answers a request without a valid login with its login page.
    await response.body?.cancel()
    throw new HttpError(401, LOGIN)
  }
  return response
}

/** The same once more when the server wants to know who asks: that answer may have renewed the token in the cookie. */
export async function ask(url: URL, options: Omit<Request, 'xsrf'>): Promise<Response> {
  try {
    return await request(url, { ...options, xsrf: xsrfToken() })
  } catch (error) {
    if (!(error instanceof HttpError && error.login)) throw error
    return request(url, { ...options, xsrf: xsrfToken() })
  }
}

/** The response's body. Raises `HttpError` when it is cut off. */
export async function json<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T
  } catch {
    throw new HttpError(0, UNREACHABLE)
  }
}

/** No answer, or no more of it. */
export const UNREACHABLE = 'The server cannot be reached.'

const LOGIN = 'You are not logged in any more, or may not use this chat. Reload the page and log in.'

async function refusal(response: Response): Promise<HttpError> {
  const said = await told(response)
  if (response.status === 401 || response.status === 403) return new HttpError(response.status, LOGIN, said.code)
  const retryAfter = Number(response.headers.get('Retry-After') ?? NaN)
  return new HttpError(
    response.status,
    said.message ?? standardText(response.status),
    said.code,
    Number.isFinite(retryAfter) ? retryAfter : null,
  )
}

function standardText(status: number): string {
  if (status === 404) return 'This server has no durable chat. Is jupyter-durable-chat installed where Jupyter runs?'
  return `The server answered with an error (${status}).`
}

/** What the server said for a person, if this is an error of its own making and not a page from something before it. */
async function told(response: Response): Promise<{ message: string | null; code: string | null }> {
  const text = await response.text().catch(() => '')
  try {
    const { message, code } = JSON.parse(text) as Record<string, unknown>
    return {
      message: typeof message === 'string' && message !== '' ? message : null,
      code: typeof code === 'string' ? code : null,
    }
  } catch {
    return { message: null, code: null }
  }
}

/** The token that Jupyter wants to see in a header: it is in a cookie that only pages of the server can read. */
export function xsrfToken(): string {
  return /(?:^|; ?)_xsrf=([^;]*)/.exec(document.cookie)?.[1] ?? ''
}
