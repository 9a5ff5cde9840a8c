/**
 * Whom the server takes this page's requests for: the user's name, as every answer says it; `null` where the server does not
 * tell people apart; `undefined` until it has answered.
 */

export class You {
  username: string | null | undefined

  /** A response of the server has come, which says it in this header. */
  hear(header: string | null): void {
    try {
      this.username = header === null ? null : decodeURIComponent(header)
    } catch {
      this.username = null
    }
  }
}

/** Who this page is of. */
export const you = new You()
