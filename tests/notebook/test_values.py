"""Values as a model reads them, and tables as a person sees them."""

import decimal
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_durable_chat.notebook.values import DRAWN_BYTES, table_data


def column(values: Any) -> list[Any]:
    """The cells of a column of these, as JSON."""
    data = json.loads(json.dumps(table_data(pd.DataFrame({"x": values})), allow_nan=False))
    return [row[1] for row in data["cells"]]


class Broken:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([1, 2], [1, 2]),
        ([1, None], [1.0, None]),
        (pd.array([1, None], dtype="Int64"), [1, None]),
        ([0.1, np.inf], [0.1, "inf"]),
        ([2**53, 2**53 - 1], [str(2**53), 2**53 - 1]),
        ([True, False], [True, False]),
        (["a", None], ["a", None]),
        (["x" * 1000], ["x" * 199 + "…"]),
        (pd.to_datetime(["2026-01-01", None]), ["2026-01-01", None]),
        (pd.to_datetime(["2026-01-01 00:00", "2026-01-01 12:00"]), ["2026-01-01 00:00:00", "2026-01-01 12:00:00"]),
        (pd.Categorical(["u", "v"]), ["u", "v"]),
        ([decimal.Decimal("1.50"), decimal.Decimal("NaN")], ["1.50", None]),
        ([[1], np.array([1, 2])], ["[1]", "[1 2]"]),
        ([Broken()], ["<Broken, whose str raises RuntimeError>"]),
    ],
    ids=str,
)
def test_cells(values: Any, cells: list[Any]) -> None:
    assert column(values) == cells


def test_a_table_has_its_index_and_the_names_that_people_read() -> None:
    frame = pd.DataFrame({("a", "x"): [1, 2], ("a", "y"): [3, 4]})
    frame.index = pd.MultiIndex.from_tuples([("u", 1), ("v", 2)], names=["g", None])
    cells = [["u", 1, 1, 3], ["v", 2, 2, 4]]
    assert table_data(frame) == {"rows": 2, "columns": ["a / x", "a / y"], "index": ["g", ""], "cells": cells}
    assert table_data(pd.DataFrame([[1, 2]], columns=["a", "a"]))["cells"] == [[0, 1, 2]]
    assert table_data(pd.Series([7], name="s")) == {"rows": 1, "columns": ["s"], "index": [""], "cells": [[0, 7]]}
    assert table_data(pd.DataFrame()) == {"rows": 0, "columns": [], "index": [""], "cells": []}


def test_of_a_large_table_the_beginning_is_drawn() -> None:
    tall, wide = table_data(pd.DataFrame({"a": range(10_000)})), table_data(pd.DataFrame(np.random.rand(1000, 100)))
    assert (tall["rows"], len(tall["cells"])) == (10_000, 200)
    assert (len(wide["columns"]), wide["more_columns"]) == (60, 40)
    assert len(json.dumps(wide["cells"], separators=(",", ":"))) <= DRAWN_BYTES
    assert len(wide["cells"]) > 10


def test_what_is_no_whole_table_has_its_size() -> None:
    class Half:
        shape = (3, 1)
        columns = ("a",)

        def head(self, rows: int) -> "Half":
            return self

        def to_csv(self) -> str:
            return "a"

    assert table_data(Half()) == {"rows": 3, "columns": ["a"]}
