"""How long the values of a written forward are kept: which line reads each for the last time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracer.costs.memory import INDICES, MAP, Storage
from tracer.network.records import Network, Node
from tracer.torch_bridge.module_tree import Key, Module, keys_read, symbols_of


class ForwardRow(NamedTuple):
    """One child that a forward calls or computes."""

    name: str
    """Its name in the module, ``stage.0`` of a copy."""
    child: Module | Node


def rows_of(module: Module) -> list[ForwardRow]:
    """What a module's forward does, in order: copies of a repeat one by one."""
    found = []
    for name, child in module.children.items():
        if isinstance(child, Module) and child.is_copies:
            found += [
                ForwardRow(f"{name}.{number}", copy) for number, copy in child.children.items()
            ]
        else:
            found.append(ForwardRow(name, child))
    return found


def reads_of(network: Network, child: Module | Node) -> list[Key]:
    """The values that a child reads, those included that give it the size of a symbol."""
    if isinstance(child, Module):
        return child.inputs
    if not child.dim_fields:
        return keys_read(child)
    symbols = [Key(source.node.index) for source in symbols_of(network).values()]
    return [*keys_read(child), *symbols]


class Lifetimes:
    """The last reading of each value of one forward, by the number of its row."""

    def __init__(
        self, network: Network, rows: Sequence[ForwardRow], returned: Sequence[Key]
    ) -> None:
        self._last: dict[Key, int] = {}
        self._readers: Counter[Key] = Counter()
        for number, row in enumerate(rows):
            for key in dict.fromkeys(reads_of(network, row.child)):
                self._last[key] = number
                self._readers[key] += 1
        for key in dict.fromkeys(returned):
            self._last[key] = len(rows)
            self._readers[key] += 1

    def is_dead(self, key: Key, after: int) -> bool:
        """True where no row after this one reads a value."""
        return self._last.get(key, -1) <= after

    def is_passed_on(self, key: Key) -> bool:
        """True for a value that is read once."""
        return self._readers[key] == 1


def held(network: Network, root: Module) -> Mapping[Storage, int]:
    """How long the written module holds what it reads, by the index of the last node that runs meanwhile.

    A variable lives to the end of the line that reads it last, an argument until its block returns.
    """
    found: dict[Storage, int] = {}

    def hold(key: Key, until: int) -> None:
        storage = (key.node, INDICES if key.is_indices else MAP)
        found[storage] = max(until, found.get(storage, until))

    for node in network.nodes:
        for key in keys_read(node):
            hold(key, node.index)
    for module in root.modules():
        if module.is_copies:
            continue
        indices = [node.index for node in module.nodes()]
        for key in module.inputs:
            hold(key, max(indices))
    return found
