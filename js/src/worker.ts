/** The shared worker: one hub for all tabs of the browser. */

import { Hub } from './connection/hub'

const hub = new Hub()

addEventListener('connect', (event) => {
  for (const port of (event as MessageEvent).ports) hub.connect(port)
})
