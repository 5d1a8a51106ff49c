"""The designs that no other beats: of which another would be better in one measure only by being worse in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def front(measures: Sequence[Any]) -> Any:
    """The rows that no other row is as good as in every measure and better in one; all smaller is better.

    Rows that are alike are all in it, or none.
    """
    table = np.column_stack(measures)
    distinct, which = np.unique(table, axis=0, return_inverse=True)
    kept = np.zeros(len(distinct), bool)
    left = np.arange(len(distinct))  # sorted by the first measure, then the next
    points = distinct
    while len(left):
        kept[left[0]] = True  # the first of those that are left is beaten by none of them
        beaten = (points >= points[0]).all(axis=1)
        left, points = left[~beaten], points[~beaten]
    return np.flatnonzero(kept[which.reshape(-1)])
