/** A component that is drawn again only when a property is another object. */

import { Component, type ComponentType, type VNode } from 'preact'

export function memo<P extends object>(draw: (props: P) => VNode | null): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const keys = new Set([...Object.keys(this.props), ...Object.keys(next)]) as Set<keyof P>
      return [...keys].some((key) => this.props[key] !== next[key])
    }

    override render(props: P): VNode | null {
      return draw(props)
    }
  }
}
