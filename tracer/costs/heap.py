"""The storages that a run holds at each moment, by what they are for, and the moment at which they are most.

A storage is alive while anything holds it: a name of the caller's, a node of autograd's graph, a gradient that waits.
"""

from __future__ import annotations

WEIGHTS = "weights"
GRADIENTS = "gradients"
STATE = "optimizer"
COPIES = "copies"
KEPT = "kept"
PASSING = "passing"
TEMPORARIES = "temporaries"

KINDS = (WEIGHTS, GRADIENTS, STATE, COPIES, KEPT, PASSING, TEMPORARIES)
"""What storages are for. One that is passing is kept as long as autograd saves it."""


class HeapBlock:
    """One storage, and how many hold it."""

    __slots__ = ("holders", "is_dense", "kind", "savers", "size")

    def __init__(self, size: int, kind: str) -> None:
        self.size = size
        self.kind = kind
        self.holders = 1
        self.savers = 0
        """Of its holders, the nodes of autograd's graph."""
        self.is_dense = True

    @property
    def counts_as(self) -> str:
        is_kept = self.kind == PASSING and self.savers > 0
        return KEPT if is_kept else self.kind


class Heap:
    """All storages of a run, with the most that was alive at once."""

    def __init__(self) -> None:
        self.held = dict.fromkeys(KINDS, 0)
        self.total = 0
        self.peak = 0
        self.at_peak = dict(self.held)
        self.peak_at = ("", "")
        self.now = ("", "")
        """The phase of the run, and the node that is at work."""

    def make(self, size: int, kind: str = PASSING) -> HeapBlock:
        """A new storage, with one holder."""
        block = HeapBlock(size, kind)
        self.held[kind] += size
        self.total += size

        if self.total > self.peak:
            self.peak = self.total
            self.at_peak = self.held.copy()
            self.peak_at = self.now
        return block

    def hold(self, block: HeapBlock) -> HeapBlock:
        """The same storage, with one holder more."""
        block.holders += 1
        return block

    def release(self, block: HeapBlock) -> None:
        """One holder less; without any the storage is gone."""
        block.holders -= 1
        if block.holders == 0:
            self.held[block.counts_as] -= block.size
            self.total -= block.size

    def save(self, block: HeapBlock) -> HeapBlock:
        """The same storage, held by a node of autograd's graph."""
        before = block.counts_as
        block.holders += 1
        block.savers += 1
        self._moved(block, before)
        return block

    def forget(self, block: HeapBlock) -> None:
        """One node of autograd's graph less that holds it."""
        before = block.counts_as
        block.savers -= 1
        self._moved(block, before)
        self.release(block)

    def becomes(self, block: HeapBlock, kind: str) -> None:
        """The storage is for something else from now on."""
        before = block.counts_as
        block.kind = kind
        self._moved(block, before)

    def _moved(self, block: HeapBlock, before: str) -> None:
        after = block.counts_as
        if after != before:
            self.held[before] -= block.size
            self.held[after] += block.size
