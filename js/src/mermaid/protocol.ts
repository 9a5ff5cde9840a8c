/** What the page and the frame in which Mermaid runs say to each other. The page trusts nothing that comes from there. */

/** Draw this. The first message, to the window, brings the port; all others go through it. */
export interface Order {
  id: number
  source: string
  dark: boolean
}

/** `ready` once, then one of the others for each order. */
export type Answer = { ready: true } | { id: number; svg: string } | { id: number; error: string }

/** Longer sources are not drawn, nor larger drawings shown. Characters. */
export const LONGEST_SOURCE = 20_000
export const LARGEST_SVG = 2_000_000
