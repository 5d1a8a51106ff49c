"""The longest common subsequence of two sequences. It knows nothing of networks."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

CELLS = 1_000_000_000
"""Pairs of items that are compared at most, in an eighth of so many bytes; of longer sequences only the common
beginning and end are found."""


def common_subsequence(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The places of a longest common subsequence, as (index in ``a``, index in ``b``), in order.

    By rows of bits as long as ``b``: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
    """
    first = 0
    while first < min(len(a), len(b)) and a[first] == b[first]:
        first += 1
    last = 0
    while last < min(len(a), len(b)) - first and a[-1 - last] == b[-1 - last]:
        last += 1
    found = [(n, n) for n in range(first)]
    rows, columns = len(a) - last - first, len(b) - last - first
    if rows * columns <= CELLS:
        middle = _longest(a[first : first + rows], b[first : first + columns])
        found += [(first + i, first + j) for i, j in middle]
    return found + [(len(a) - n, len(b) - n) for n in range(last, 0, -1)]


def _longest(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[tuple[int, int]]:
    places: dict[Hashable, int] = {}
    for j, item in enumerate(b):
        places[item] = places.get(item, 0) | 1 << j
    full = (1 << len(b)) - 1
    row, rows = full, [full]
    for item in a:
        # A zero at bit j: the subsequence of these rows and of b up to j is longer than of b up to j - 1.
        common = row & places.get(item, 0)
        row = (row + common | row - common) & full
        rows.append(row)
    found: list[tuple[int, int]] = []
    i, j = len(a), len(b)
    while i and j:
        if rows[i] >> j - 1 & 1:
            j -= 1
            continue
        i -= 1
        if rows[i] >> j - 1 & 1:
            j -= 1
            found.append((i, j))
    return found[::-1]
