"""The number of nodes that declarations make, counted before they are made; blocks that use themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracer.diagnostics import Related
from tracer.network.declarations import Block
from tracer.network.faults import Faults
from tracer.network.records import Declaration
from tracer.network.values import value_of
from tracer.source import limits
from tracer.source.tree import Fault, span_of


class BlockSizes:
    """The least number of nodes of every block: what expressions of a block's arguments decide counts as one."""

    def __init__(self, blocks: Mapping[str, Block], faults: Faults) -> None:
        self.blocks = blocks
        self.faults = faults
        self.circular: set[str] = set()
        """Blocks that use themselves; the fault is recorded."""
        self._sizes: dict[str, int] = {}

    def of(self, declaration: Declaration, scope: Mapping[str, Any]) -> int:
        """The number of nodes that a declaration makes, or fewer."""
        return self._of(declaration, scope, [])

    def _of(
        self, declaration: Declaration, scope: Mapping[str, Any], around: list[Declaration]
    ) -> int:
        times = self._times(declaration, scope)
        block = None if declaration.faulty else self.blocks.get(declaration.op.value)
        if block is None:
            return times
        return times * self._of_block(block, declaration, around)

    def _of_block(self, block: Block, use: Declaration, around: list[Declaration]) -> int:
        uses = [*around, use]
        names = [declaration.op.value for declaration in uses]
        if block.name in names[:-1]:
            first = names.index(block.name)
            self._refuse_circle(names[first:], uses[first:])
            return 1

        if block.name not in self._sizes and len(around) <= limits.BLOCK_DEPTH:
            self._sizes[block.name] = sum(
                self._of(declaration, {}, uses) for declaration in block.layers
            )
        return self._sizes.get(block.name, 1)

    def _refuse_circle(self, names: list[str], uses: list[Declaration]) -> None:
        if not self.circular.intersection(names):
            message = f"the block {names[0]} uses itself: {' -> '.join(names)}"
            related = tuple(
                Related(f"{use.op.value} is used here", span_of(use.op)) for use in uses[:-1]
            )
            self.faults.add(Fault("T103", message, uses[-1].op, None, related))
        self.circular.update(names)

    @staticmethod
    def _times(declaration: Declaration, scope: Mapping[str, Any]) -> int:
        if declaration.repeat is None:
            return 1
        try:
            times = value_of(declaration.repeat, scope)
        except Fault:
            return 1  # it is reported where the declaration is expanded
        return times if times.__class__ is int and 1 <= times <= limits.GRAPH_NODES else 1
