/**
 * The front end in one file, for pages that cannot reach the server: the core, which a loader gets from the kernel, and a
 * widget's `_esm` by itself, where the host keeps that as a file and has the kernel no part in it.
 */

import * as core from './core'
import { type View, show } from './show'

export const { mount } = core

export default { render: (view: View): (() => void) => show(core, { model: view.model }, view) }
