/** react-markdown as its documentation sets it up for GitHub's Markdown, code and formulas. */

import Markdown from 'react-markdown'
import rehypeHighlight from 'rehype-highlight'
import rehypeKatex from 'rehype-katex'
import remarkGfm from 'remark-gfm'
import remarkMath from 'remark-math'

import { draw } from './draw'

const remark = [remarkGfm, remarkMath]
const rehype = [rehypeHighlight, rehypeKatex]

draw(({ text }) => (
  <Markdown remarkPlugins={remark} rehypePlugins={rehype}>
    {text}
  </Markdown>
))
