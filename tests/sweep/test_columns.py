"""Columns as bytes and back: nothing of them changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests import extras
from tracer.sweep.columns import as_lists, packed, unpacked

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "object": st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
}


@st.composite
def columns(draw: st.DrawFn) -> dict[str, Any]:
    """A few columns of so many rows, with and without unknown values."""
    count = draw(st.integers(0, 20))
    found: dict[str, Any] = {}
    for name in draw(st.lists(st.text(max_size=3), unique=True, min_size=1, max_size=4)):
        kind = draw(st.sampled_from(sorted(VALUES)))
        values = np.empty(count, kind)
        for row in range(count):
            values[row] = draw(VALUES[kind])
        is_masked = draw(st.booleans())
        mask = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        found[name] = np.ma.array(values, mask=mask) if is_masked else values
    return found


@given(columns())
def test_what_is_packed_comes_back(drawn: dict[str, Any]) -> None:
    found = unpacked(packed(drawn))
    assert list(found) == list(drawn)
    assert as_lists(found) == as_lists(drawn)
    assert [values.dtype for values in found.values()] == [
        values.dtype for values in drawn.values()
    ]


@given(columns())
def test_arrow_has_the_same(drawn: dict[str, Any]) -> None:
    """A table that is written from arrays is the one that is written from lists."""
    extras.needs("sweep")
    import pyarrow as pa

    from tracer.sweep.table_files import _arrow_table

    types = {
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "object": pa.string(),
    }
    schema = pa.schema([(name, types[values.dtype.name]) for name, values in drawn.items()])
    expected = {}
    for name, values in as_lists(drawn).items():
        is_text = drawn[name].dtype == object
        expected[name] = [str(one) if is_text and one is not None else one for one in values]
    assert _arrow_table(drawn, schema).to_pydict() == expected
