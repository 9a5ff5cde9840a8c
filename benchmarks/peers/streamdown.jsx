/** streamdown as its documentation sets it up for a text that grows, with its plugins for code and formulas. */

import { code } from '@streamdown/code'
import { math } from '@streamdown/math'
import { Streamdown } from 'streamdown'

import { draw } from './draw'

const plugins = { code, math }

draw(({ text, done }) => (
  <Streamdown plugins={plugins} isAnimating={!done}>
    {text}
  </Streamdown>
))
