/** What a page asks of the server. What goes wrong is an `HttpError` that says so in words: the server's, or ours for its status. */

import { words } from '../words'
import { HttpError, type Request, request, xsrfToken } from './http'

/** The response. Who is refused is asked once more who they are: that answer may have renewed the token in the cookie. */
export async function ask(url: URL, options: Omit<Request, 'xsrf'>): Promise<Response> {
  const once = () => request(url, { ...options, xsrf: xsrfToken() })
  try {
    return await once().catch((error: unknown) => {
      if (error instanceof HttpError && error.login) return once()
      throw error
    })
  } catch (error) {
    if (error instanceof HttpError) error.message = inWords(error.status, error.message)
    throw error
  }
}

/** The response's body. */
export async function json<T>(response: Response): Promise<T> {
  try {
    return (await response.json()) as T
  } catch {
    throw cutOff()
  }
}

/** No more of an answer. */
export function cutOff(): HttpError {
  return new HttpError(0, inWords(0))
}

export function inWords(status: number, said = ''): string {
  return said || words.problem(status)
}
