"""The answer that is streamed in the benchmarks: the same text every time, with everything that answers are made of.

A token is a word with the blank before it, as far as that is at most six characters, or a piece of it. That is about
what the tokens of a model are: four characters each.
"""

import random
import re
from collections.abc import Callable, Iterator

WORDS = """
    the of and to in is that for it as with on by this are from be or an at which can not each when one has its if
    model data value mean error test sample frame column index row group join filter query result function argument
    returns computes estimates compares shows keeps reads writes holds follows depends small large first last next
    same other distribution variance regression parameter gradient likelihood posterior interval threshold residual
    memory process server request response stream buffer latency throughput cache version branch commit release
    therefore because although usually often never always about between without within during under over more less
""".split()  # noqa: SIM905

PYTHON = """\
import numpy as np
import pandas as pd

def summarise(frame: pd.DataFrame, column: str, *, by: str = "group") -> pd.DataFrame:
    \"\"\"Mean, spread and size of each group.\"\"\"
    grouped = frame.groupby(by)[column]
    result = grouped.agg(["mean", "std", "count"])
    result["sem"] = result["std"] / np.sqrt(result["count"])
    return result.sort_values("mean", ascending=False)

rng = np.random.default_rng({seed})
frame = pd.DataFrame({{"group": rng.integers(0, 5, {size}), "value": rng.normal({seed}, 1.5, {size})}})
print(summarise(frame, "value").round(3))
for name, part in frame.groupby("group"):
    print(f"{{name}}: {{part.value.median():.2f}}")  # one line for each
"""

SQL = """\
select region, date_trunc('month', ordered_at) as month, sum(amount) as total, count(*) as orders
from orders join customers using (customer_id)
where ordered_at >= date '2026-01-{seed:02}' and amount > {size}
group by region, month
having count(*) > 10
order by total desc limit 20;
"""

FORMULAS = (
    r"\hat\beta = (X^\top X)^{-1} X^\top y",
    r"p(\theta \mid x) = \frac{p(x \mid \theta)\, p(\theta)}{\int p(x \mid t)\, p(t)\, dt}",
    r"\sigma^2 = \frac{1}{n - 1} \sum_{i=1}^{n} (x_i - \bar x)^2",
    r"\nabla_\theta \mathcal L = \sum_{i} \left( y_i - \sigma(\theta^\top x_i) \right) x_i",
)
SPANS = (r"$\alpha = 0.05$", r"$x_i \in \mathbb R^d$", r"$O(n \log n)$", r"$\mu \pm 2\sigma$", r"$n \to \infty$")


def answer(tokens: int) -> list[str]:
    """So many tokens; a shorter answer is the beginning of a longer one."""
    said: list[str] = []
    for block in blocks(random.Random(1)):
        said += re.findall(r"\s*\S{1,5}|\s+$", block)
        if len(said) >= tokens:
            return said[:tokens]
    raise AssertionError


def blocks(chance: random.Random) -> Iterator[str]:
    """Sections with a heading, until nobody wants more of them."""
    kinds: list[Callable[[random.Random], str]] = [
        prose,
        prose,
        prose,
        bullets,
        steps,
        table,
        python,
        sql,
        formula,
        quote,
    ]
    for n in range(1, 10_000):
        yield f"{'#' * chance.choice((2, 2, 3))} {n}. {words(chance, 4).capitalize()}\n\n"
        for kind in chance.choices(kinds, k=5):
            yield kind(chance) + "\n\n"


def words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def sentence(chance: random.Random) -> str:
    said: list[str] = chance.choices(WORDS, k=chance.randint(8, 20))
    for at in chance.sample(range(len(said)), 2):
        mark = chance.choice(("**{}**", "*{}*", "`{}`", "[{}](https://example.org/{})", "{}", "{}"))
        said[at] = mark.format(said[at], chance.randint(1, 99))
    if chance.random() < 0.2:
        said.append(chance.choice(SPANS))
    text = " ".join(said)
    return text[0].upper() + text[1:] + "."


def prose(chance: random.Random) -> str:
    return " ".join(sentence(chance) for _ in range(chance.randint(3, 6)))


def bullets(chance: random.Random) -> str:
    return "\n".join(f"{chance.choice(('-', '-', '-', '  -'))} {sentence(chance)}" for _ in range(chance.randint(4, 8)))


def steps(chance: random.Random) -> str:
    return "\n".join(f"{n}. {sentence(chance)}" for n in range(1, chance.randint(4, 7)))


def table(chance: random.Random) -> str:
    rows = [f"| {words(chance, 2)} | {chance.uniform(0, 100):.2f} | `{chance.choice(WORDS)}` |" for _ in range(8)]
    return "\n".join(["| name | value | kind |", "|---|--:|:-:|", *rows])


def python(chance: random.Random) -> str:
    return f"```python\n{PYTHON.format(seed=chance.randint(1, 9), size=chance.randint(100, 999))}```"


def sql(chance: random.Random) -> str:
    return f"```sql\n{SQL.format(seed=chance.randint(1, 9), size=chance.randint(100, 999))}```"


def formula(chance: random.Random) -> str:
    return f"{sentence(chance)}\n\n$$\n{chance.choice(FORMULAS)}\n$$"


def quote(chance: random.Random) -> str:
    return f"> {sentence(chance)}\n> {sentence(chance)}"
