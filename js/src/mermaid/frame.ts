/**
 * Mermaid, in a frame of its own: without an origin, without a network, and with one port as its only way out. What a
 * model wrote is run through a large library here, where nothing is to be won. One file for all of it, a classic script:
 * modules and later chunks would need headers that Jupyter's static files do not have.
 */

import mermaid, { type MermaidConfig } from 'mermaid'
import { type Answer, LONGEST_SOURCE, type Order } from './protocol'

/** What a diagram's own text may not change: what is for safety, and what makes it look like what is around it. */
const FIXED = (
  'secure securityLevel startOnLoad maxTextSize maxEdges suppressErrorRendering htmlLabels dompurifyConfig ' +
  'theme themeVariables themeCSS darkMode fontFamily altFontFamily'
).split(' ')

addEventListener('message', start)

function start({ source, ports: [port] }: MessageEvent): void {
  if (source !== parent || !port) return
  removeEventListener('message', start)
  const say = (answer: Answer) => port.postMessage(answer)
  port.onmessage = ({ data }: MessageEvent<Order>) => void draw(data).then(say)
  say({ ready: true })
}

async function draw({ id, source, dark }: Order): Promise<Answer> {
  const place = document.body.appendChild(document.createElement('div'))
  try {
    mermaid.mermaidAPI.reset() // what the last diagram said of itself, which may be why it could not be drawn
    mermaid.initialize(configuration(dark))
    const { svg } = await mermaid.render(`diagram-${id}`, source, place)
    return { id, svg: wellFormed(svg) }
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) }
  } finally {
    document.body.replaceChildren()
  }
}

function configuration(dark: boolean): MermaidConfig {
  return {
    startOnLoad: false,
    securityLevel: 'strict',
    secure: FIXED,
    suppressErrorRendering: true,
    maxTextSize: LONGEST_SOURCE,
    maxEdges: 500,
    theme: dark ? 'redux-dark-color' : 'redux-color',
    themeVariables: { xyChart: { backgroundColor: 'transparent', plotColorPalette: '#2ba8a0,#e06fd8,#f0913a,#6c7bf0,#8aa83a' } },
    darkMode: dark,
    fontFamily: 'system-ui, -apple-system, "Segoe UI", sans-serif',
    // An image of text, and no HTML inside of it, is the same wherever the picture goes.
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    logLevel: 'fatal',
  }
}

/** The drawing as XML, as large as it is. */
function wellFormed(markup: string): string {
  const svg = new DOMParser().parseFromString(markup, 'text/html').querySelector('svg')
  if (!svg) throw new Error('There is no drawing.')
  const { width, height } = svg.viewBox.baseVal ?? {}
  if (width && height) {
    svg.setAttribute('width', String(Math.ceil(width)))
    svg.setAttribute('height', String(Math.ceil(height)))
    svg.style.removeProperty('max-width')
  }
  return new XMLSerializer().serializeToString(svg)
}
