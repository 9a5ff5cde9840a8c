"""Characters that nobody sees: those that turn what follows around (Trojan Source), have no width, or spell out what
only a machine reads. What is saved says them by name; in prose those are left alone that its script needs.

The same characters as in `js/src/view/unseen.ts`; `tests/vectors/static/static.json` holds both to the same strings.
"""

import re
from functools import cache

_EMOJI = (
    r"\xa9\xae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    r"\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_JOINING = (
    r"\u0600-\u061b\u061d-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u180a\u1810-\u18af\ua840-\ua8ff\ufb50-\ufdff"
    r"\ufe70-\ufefc"
)
"""Letters that join, or are told not to."""
_HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_FLAGS = (
    r"\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    r"|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
"""Those of England, Scotland and Wales are spelled out in characters that nobody sees."""

_TURNING = r"\u061c\u200e\u200f\u202a-\u202c\u2066-\u2069"
_NEVER = (
    r"\u115f\u1160\u17b4\u17b5\u2028\u2029\u202d\u202e\u2061-\u2065\u206a-\u206f\u3164\uffa0\ufff9-\ufffb"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_SELECTORS = rf"(?<![{_EMOJI}0-9#*])[\ufe0e\ufe0f]|[\ufe00-\ufe0d]|(?<![{_HAN}])[\U000e0100-\U000e01ef]"

_CODE = (
    rf"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u200b\u2060\ufeff{_TURNING}{_NEVER}]",
    _SELECTORS,
    rf"(?<![{_JOINING}])[\u200c\u180b-\u180e]",
    rf"(?<![{_JOINING}{_EMOJI}\ufe0f])\u200d",
    rf"(?<=[{_EMOJI}\ufe0f])\u200d(?![{_EMOJI}])",
)
_PROSE = (f"[{_NEVER}{_TURNING}]", _SELECTORS)
_RIGHT_TO_LEFT = (f"[{_NEVER}]", _SELECTORS)

_LETTERS = re.compile(
    "[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_CANDIDATE = re.compile(
    rf"[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u180b-\u180e\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff{_TURNING}{_NEVER}"
    r"\U000e0100-\U000e01ef\U0001f3f4]"
)
"""What any of them begins with. A set of characters is found in a tenth of the time, in which nothing else runs."""


def named(text: str, *, prose: bool = False) -> str:
    """The text with names in place of what is not to be seen."""
    if not (candidate := _CANDIDATE.search(text)):
        return text
    unseen = _found(*(_CODE if not prose else _RIGHT_TO_LEFT if _LETTERS.search(text) else _PROSE))
    shown: list[str] = []
    end = 0
    while candidate:
        if found := unseen.match(text, candidate.start()):
            shown += text[end : found.start()], _name(found)
            end = found.end()
        candidate = _CANDIDATE.search(text, found.end() if found else candidate.end())
    return "".join(shown) + text[end:]


@cache
def _found(*singles: str) -> re.Pattern[str]:
    """Made when a text needs it, which few do."""
    return re.compile(rf"{_FLAGS}|(?P<unseen>(?:{'|'.join(singles)})+)")


def _name(found: re.Match[str]) -> str:
    """`[U+202E]`; of several in a row, the first and how many follow."""
    unseen = found["unseen"]
    if unseen is None:
        return found[0]
    others = f" +{len(unseen) - 1}" if len(unseen) > 1 else ""
    return f"[U+{ord(unseen[0]):04X}{others}]"
