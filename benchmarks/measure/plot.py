"""What was measured of several, drawn: for each measure a bar for each, on a scale of its own, with the rounds' spread.

The picture is SVG, and has the colours of a light or a dark page, as its reader's system says.
"""

import statistics
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

WIDTH, LABEL, VALUE = 720, 170, 120
"""Pixels of all, of the names before the bars, and of the figures behind them."""
BAR, GAP, TITLE = 14, 6, 26
COLORS = ("#1f77b4", "#d97706", "#8a8f98", "#5aa9d6")
"""Of those who are compared, in the order in which they are first met."""

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.value { fill: #57606a }
.spread { stroke: #24292f; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .value { fill: #9da7b3 } .spread { stroke: #e6edf3 }
}"""


class Measure(NamedTuple):
    """What was measured: of each, by name, the values of its rounds. `better`: which of them are."""

    title: str
    unit: str
    values: Mapping[str, Sequence[float]]
    better: str = "less"


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def svg(measures: Sequence[Measure]) -> str:
    parts: list[str] = []
    y = 0
    room = WIDTH - LABEL - VALUE
    names = dict.fromkeys(name for measure in measures for name in measure.values)
    colors = dict(zip(names, COLORS, strict=True))
    for measure in measures:
        y += TITLE
        title = f"{measure.title}, {measure.unit} ({measure.better} is better)"
        parts.append(f'<text class="title" x="0" y="{y - 9}">{escape(title)}</text>')
        most = max(max(rounds) for rounds in measure.values.values())
        for name, rounds in measure.values.items():
            middle, low, high = (f(rounds) / most * room for f in (statistics.median, min, max))
            line = y + BAR / 2
            parts.append(f'<text x="0" y="{y + BAR - 3}">{escape(name)}</text>')
            parts.append(
                f'<rect x="{LABEL}" y="{y}" width="{max(middle, 1):.1f}" height="{BAR}" rx="2" fill="{colors[name]}"/>'
            )
            if high - low > 1:
                at = f'x1="{LABEL + low:.1f}" y1="{line}" x2="{LABEL + high:.1f}" y2="{line}"'
                parts.append(f'<line class="spread" {at}/>')
            end = LABEL + max(middle, high) + 8
            parts.append(
                f'<text class="value" x="{end:.1f}" y="{y + BAR - 3}">{figure(statistics.median(rounds))}</text>'
            )
            y += BAR + GAP
    body = "\n".join(parts)
    size = f'viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<style>{STYLE}\n</style>\n{body}\n</svg>\n'
