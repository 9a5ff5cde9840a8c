"""Each failure of the systems before this one has a test that is named after it.

In Python: `test_failure_NN_what_it_is_now`. In TypeScript: `test('failure N: …')`.
"""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PYTHON = re.compile(r"def test_failure_(\d\d)(?:_and_(\d\d))?_")
TYPESCRIPT = re.compile(r"test\(['\"]failure (\d+)")

LATER = {30}
"""There are no notifications yet that could come twice."""


def test_each_failure_has_its_test() -> None:
    python = (PYTHON.findall(path.read_text()) for path in TESTS.rglob("test_*.py"))
    script = (TYPESCRIPT.findall(path.read_text()) for path in (TESTS.parent / "js" / "tests").rglob("*.test.ts*"))
    named = {int(n) for found in python for numbers in found for n in numbers if n}
    named |= {int(n) for found in script for n in found}
    assert sorted(set(range(1, 41)) - LATER - named) == []


def test_failure_16_no_test_passes_because_what_it_needs_is_absent() -> None:
    """Reconnect tests that never disconnected; tests that passed when the model was absent."""
    skipping = re.compile(
        r"pytest\.(?:skip|importorskip|xfail)|mark\.(?:skip|skipif|xfail)\b|\b(?:test|describe|it)\.skip"
    )
    sources = [*TESTS.rglob("*.py"), *(TESTS.parent / "js" / "tests").rglob("*.ts*")]
    found = [path.name for path in sources if path != Path(__file__) and skipping.search(path.read_text())]
    assert found == []
