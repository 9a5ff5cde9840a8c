/**
 * The styles of everything that is drawn, in every document and shadow root that has a chat; a chunk adds its own. They are
 * no element, so that a page whose policy allows no styles that are written into it (`style-src 'self'`) has them, too.
 */

const texts: string[] = []
/** A sheet is for the shadow roots of one document. */
const sheets = new Map<Document, CSSStyleSheet>()

export function addStyles(css: string): void {
  texts.push(css)
  for (const sheet of sheets.values()) write(sheet)
}

/** Styles what is below `root`, once it is in a document or shadow root. */
export function dressPlace(root: HTMLElement): void {
  if (!root.isConnected) return
  const home = root.getRootNode() as Document | ShadowRoot
  const sheet = sheetOf(root.ownerDocument)
  if (!home.adoptedStyleSheets.includes(sheet)) home.adoptedStyleSheets.push(sheet)
}

function sheetOf(document: Document): CSSStyleSheet {
  let sheet = sheets.get(document)
  if (!sheet) {
    sheet = new (document.defaultView ?? window).CSSStyleSheet()
    sheets.set(document, sheet)
    write(sheet)
  }
  return sheet
}

function write(sheet: CSSStyleSheet): void {
  sheet.replaceSync(texts.join('\n'))
}
