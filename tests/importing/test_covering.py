"""Ways are numbered as by sorting them whole."""

from __future__ import annotations

import numpy
import pytest

from tracer.importing.covering import _numbered


@pytest.mark.parametrize("count", [1, 2, 5, 12, 70])
def test_numbers_of_ways(count: int) -> None:
    """The ways of drawn decisions, of many too, have the numbers of their sorted columns."""
    draw = numpy.random.default_rng(count)
    for _ in range(5):
        truths = [draw.random(500) < draw.random() for _ in range(count)]
        _, expected = numpy.unique(numpy.stack(truths), axis=1, return_inverse=True)
        assert (_numbered(truths) == expected.reshape(-1)).all()
