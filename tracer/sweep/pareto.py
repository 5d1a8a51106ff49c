"""The Pareto front: rows of which another is better in one measure only by being worse in another.

Found by dividing: H. T. Kung, F. Luccio, F. P. Preparata, "On finding the maxima of a set of vectors", JACM 22 (1975).
So a sweep of which every row is on the front takes little longer than one of which few are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

FEW = 128
"""So many rows are compared each with each."""


def front(measures: Sequence[Any]) -> Any:
    """The places of the rows that are on the Pareto front; of every measure smaller is better.

    Rows that are alike are all on it, or none.

    >>> macs, params = [1, 2, 3, 2], [9, 5, 5, 5]
    >>> front([macs, params]).tolist()
    [0, 1, 3]
    """
    points, which = np.unique(np.column_stack(measures), axis=0, return_inverse=True)
    varying = points[:, (points != points[:1]).any(axis=0)]
    kept = np.zeros(len(points), bool)
    kept[_unbeaten(varying, np.arange(len(points)))] = True
    return np.flatnonzero(kept[which.reshape(-1)])


def _unbeaten(points: Any, numbers: Any) -> Any:
    """The front of some distinct points, which are in the order of their measures: a later one beats none."""
    if len(numbers) <= FEW:
        own = points[numbers]
        beaten = np.tril(_is_beaten(own, own), -1).any(axis=1)
        return numbers[~beaten]

    middle = len(numbers) // 2
    first = _unbeaten(points, numbers[:middle])
    later = _unbeaten(points, numbers[middle:])
    # The first measure of what is earlier is never larger.
    rest = points[:, 1:]
    beaten = _beaten(rest[later], rest[first])
    return np.concatenate([first, later[~beaten]])


def _beaten(points: Any, others: Any) -> Any:
    """Whether each of some points has one among the others that is no larger in any measure."""
    found = np.zeros(len(points), bool)
    if not len(points) or not len(others):
        return found

    # Of a measure that decides nothing between the two nothing is asked.
    deciding = others.max(axis=0) > points.min(axis=0)
    points, others = points[:, deciding], others[:, deciding]
    measures = points.shape[1]
    if measures == 0:
        return ~found
    if measures == 1:
        return points[:, 0] >= others[:, 0].min()
    if measures == 2:
        return _beaten_in_two(points, others)
    if len(points) * len(others) <= FEW * FEW:
        return _is_beaten(points, others).any(axis=1)
    return _beaten_in_halves(points, others)


def _beaten_in_two(points: Any, others: Any) -> Any:
    """The same for two measures: of the others that are no larger in the first, the least in the second is asked."""
    order = np.argsort(others[:, 0], kind="stable")
    least = np.minimum.accumulate(others[order, 1])
    count = np.searchsorted(others[order, 0], points[:, 0], side="right")
    return (count > 0) & (least[np.maximum(count - 1, 0)] <= points[:, 1])


def _beaten_in_halves(points: Any, others: Any) -> Any:
    """The same, divided by the first measure: what lies in its upper half beats nothing in the lower one."""
    values = np.unique(np.concatenate([points[:, 0], others[:, 0]]))
    pivot = values[(len(values) - 1) // 2]
    low, others_low = points[:, 0] <= pivot, others[:, 0] <= pivot

    found = np.zeros(len(points), bool)
    found[low] = _beaten(points[low], others[others_low])
    # Between the halves the first measure is settled.
    high = np.flatnonzero(~low)
    by_low = _beaten(points[high][:, 1:], others[others_low][:, 1:])
    found[high] = by_low

    left = high[~by_low]
    found[left] = _beaten(points[left], others[~others_low])
    return found


def _is_beaten(points: Any, others: Any) -> Any:
    """For each point and each of the others: whether the other is no larger in any measure."""
    return (others[None] <= points[:, None]).all(axis=2)
