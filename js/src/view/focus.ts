/** Who answers with the keyboard keeps their place when what they answered with goes: the focus stays with the call. */

export function keepFocus(from: Element): void {
  from.closest<HTMLElement>('.jdc-tool')?.focus({ preventScroll: true })
}
