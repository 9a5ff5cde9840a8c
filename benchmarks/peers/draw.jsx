/** What is the same for all peers: a React root whose text is handed over as it comes. */

import { useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'

/** Sets `window.peer(root)`, which draws into an element and returns what to call with the text so far. */
export function draw(Text) {
  window.peer = (root) =>
    new Promise((resolve) => {
      const Grown = () => {
        const [shown, show] = useState({ text: '', done: false })
        useEffect(() => resolve((text, done) => show({ text, done })), [])
        return <Text {...shown} />
      }
      createRoot(root).render(<Grown />)
    })
}
