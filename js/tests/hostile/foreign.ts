/**
 * Everything in a tree that the view does not draw by itself, and of which a stranger's text is therefore the author:
 * elements, attributes, addresses, classes. It is a list of what may be there, so that nothing need be known of attacks.
 *
 * The function is sent into pages as its source: it uses nothing from outside of itself.
 */
export function foreign(root: Element): string[] {
  const words = (text: string) => new Set(text.split(' '))
  const markdown = words(
    'a abbr b blockquote br button caption cite code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p ' +
      'pre q s samp small span strong sub sup table tbody td tfoot th thead tr u ul var wbr',
  )
  const view = words(
    'a article aside b bdi button code details div fieldset figure footer form h2 h3 h4 header i img input label legend li nav ol ' +
      'option p pre progress section select span strong summary table tbody td textarea th thead tr ul',
  )
  const math = words(
    'math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt mstyle msub ' +
      'msubsup msup mtable mtd mtext mtr munder munderover none',
  )
  const plain = /^(?:align|class|colspan|dir|height|lang|rowspan|scope|start|title|alt|type|width)$/
  const fields = /^(?:disabled|hidden|max|maxlength|multiple|novalidate|open|placeholder|role|rows|tabindex|value|checked|selected|spellcheck|enterkeyhint|autocomplete)$/
  const ofMath = /^(?:accent|accentunder|class|column[a-z]+|depth|display|displaystyle|fence|form|height|largeop|linethickness|lspace|math[a-z]+|maxsize|minsize|movablelimits|notation|row[a-z]+|rspace|scriptlevel|separator|stretchy|symmetric|voffset|width)$/
  const picture = /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=\s]*$/i

  interface Place {
    inText: boolean
    inMath: boolean
    inIcon: boolean
  }

  const isMine = (element: Element, name: string, value: string, { inText, inMath, inIcon }: Place): boolean => {
    const tag = element.localName
    switch (name) {
      case 'href':
        return tag === 'a' && /^(?:https?:\/\/|mailto:)/.test(value) && element.getAttribute('target') === '_blank'
      case 'target':
      case 'rel':
        return tag === 'a' && value === (name === 'rel' ? 'noopener noreferrer' : '_blank')
      case 'src':
        if (element.closest('.jdc-zoom')) return tag === 'img' && value.startsWith('data:image/svg+xml;') // a diagram: an image runs nothing
        return tag === 'img' && (picture.test(value) || (!inText && value.startsWith('blob:')))
      case 'referrerpolicy':
        return tag === 'img' && value === 'no-referrer'
      case 'style':
        return (inMath || !inText) && !/url|image|src|position|fixed|expression|attr|[\\@{}<&]/i.test(value)
      case 'id':
      case 'for':
        return !inText && /^P[\d-]+\w*$/.test(value)
      case 'name':
        return !inText && tag === 'input' && /^P[\d-]+\w*$/.test(value)
      case 'type':
        return tag === 'button' ? /^(?:button|submit)$/.test(value) : tag === 'input' && /^(?:text|file|radio|checkbox|number|search)$/.test(value)
      case 'tabindex':
        if (element.hasAttribute('data-jdc-note')) return value === '-1' // its mark leads there
        return !inText || (value === '0' && (tag === 'pre' || element.className === 'jdc-table')) // they scroll
      case 'class':
        if (value === 'numbering-entry') return true // JupyterLab's table of contents puts it into headings
        return value.split(/\s+/).every((given) => given === '' || given.startsWith('jdc-') || (inMath && given.startsWith('tml-')))
      default:
        if (inMath) return ofMath.test(name)
        if (inIcon) return /^(?:aria-hidden|d|viewbox)$/.test(name)
        if (inText) return plain.test(name) || /^(?:aria-(?:hidden|label|pressed|expanded|describedby|haspopup)|data-(?:alt|lang|title|takes|drawn|diagram|painted|source|large|jdc-\w+))$/.test(name)
        return plain.test(name) || fields.test(name) || /^(?:aria|data)-[a-z-]+$/.test(name)
    }
  }
  const isMyElement = (element: Element, { inText, inMath, inIcon }: Place): boolean => {
    const name = element.localName
    switch (element.namespaceURI?.split('/').at(-1)) {
      case 'svg':
        return inIcon && /^(?:svg|path)$/.test(name)
      case 'MathML':
        return inMath && math.has(name)
      default:
        if (inMath || inIcon) return false
        return inText ? (name === 'button' ? /\bjdc-/.test(element.className) : markdown.has(name)) : view.has(name)
    }
  }

  const found: string[] = []
  const waiting: [Element, Place][] = [...root.children].map((child) => [child, { inText: root.classList.contains('jdc-markdown'), inMath: false, inIcon: false }])
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [element, around] = next
    const place = {
      inText: around.inText || element.classList.contains('jdc-markdown'),
      inMath: around.inMath || (element.localName === 'math' && element.parentElement?.classList.contains('jdc-math') === true),
      inIcon: around.inIcon || (element.localName === 'svg' && element.classList.contains('jdc-icon')),
    }
    if (!isMyElement(element, place)) found.push(`<${element.localName}>`)
    for (const { name, value } of element.attributes) {
      if (!isMine(element, name.toLowerCase(), value, place)) found.push(`${element.localName}[${name}=${value.slice(0, 200)}]`)
    }
    for (const child of element.children) waiting.push([child, place])
  }
  return found
}
