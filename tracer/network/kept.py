"""What the sections and blocks of a text declare, and the operations of that, for as long as their tree lives.

An edited text has most of its tree in common with the text before (:mod:`tracer.source.parts`): what that says is read
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from yaml.nodes import ScalarNode

from tracer.memo import Memo
from tracer.network.declarations import Block
from tracer.network.making import Made, typed
from tracer.network.records import Declaration
from tracer.source.tree import Fault

OPERATIONS = 50_000
"""So many are kept of one section, or of all blocks, for all values of params and arguments together."""


class Prepared:
    """The operations of declarations, with the values that the names in their expressions have."""

    __slots__ = ("made", "plain")

    def __init__(self) -> None:
        self.made: dict[Declaration, Made] = {}
        self.plain: dict[Declaration, Made] = {}
        """Those of declarations that read the node before them, and say nothing but their operation."""

    def keep(self, declaration: Declaration, made: Made) -> None:
        """Keep the operation of a declaration."""
        self.made[declaration] = made
        if declaration.is_plain and made.is_plain:
            self.plain[declaration] = made


class KeptLayers:
    """The declarations of one section, or of all blocks, and their operations."""

    def __init__(
        self, declarations: list[Declaration], blocks: Mapping[str, Block] | None = None
    ) -> None:
        self.declarations = declarations
        self.blocks: Mapping[str, Block] = blocks or {}
        self.fixed = Prepared()
        """The operations that no expression decides."""
        layers = len(declarations) + sum(len(block.layers) for block in self.blocks.values())
        self._prepared: Memo[Prepared] = Memo(1 + OPERATIONS // max(layers, 1))

    def prepared(self, values: Values | None) -> Prepared:
        """The operations where the names in expressions have these values; None for values that cannot be compared."""
        if values is None:
            return Prepared()
        if not values:  # nothing decides an expression
            return self.fixed
        found = self._prepared.get(values)
        if found is None:
            found = self._prepared[values] = Prepared()
        return found


Values = tuple[Any, ...]
"""Values that decide expressions, with their types."""


def values_of(scope: Mapping[str, Any]) -> Values | None:
    """The values of names; None where one of them cannot be compared."""
    values = tuple([(name, typed(value)) for name, value in scope.items()])
    try:
        hash(values)
    except TypeError:
        return None
    return values


_kept: WeakKeyDictionary[ScalarNode, KeptLayers] = WeakKeyDictionary()
"""By the key in the tree under which they stand."""


def kept_under(
    key: ScalarNode, read: Callable[[], KeptLayers], faults: list[Fault]
) -> KeptLayers:
    """What stands under a key, read once where nothing in it is at fault. The faults go to ``faults``."""
    known = _kept.get(key)
    if known is None:
        known = read()
        if not faults:
            _kept[key] = known
    return known
