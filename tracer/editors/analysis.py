"""What is known of one text: its tree, its network, what is wrong with it. Each is worked out when it is asked for."""

from __future__ import annotations

import re
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode

from tracer.costs.operations import Cost, costs
from tracer.diagnostics import Diagnostic, TracerError
from tracer.editors.mentions import Declared, Meaning, Mentions
from tracer.editors.positions import EditorText
from tracer.geometry.receptive_field import Field, fields
from tracer.loading import NONE, load_text
from tracer.net import Net
from tracer.network.declarations import TOP_LEVEL
from tracer.network.folding import levels
from tracer.network.foreign import may_be_network
from tracer.network.records import Node
from tracer.ops.base import Shape
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import repairs_while
from tracer.rules import judge
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import Trace
from tracer.sizing.size_set import TooLarge
from tracer.source.tree import Fault, compose


class Loaded(NamedTuple):
    """A network as far as it could be loaded, and what is wrong with it."""

    net: Net | None
    """None where the text says no network; one with wrong arguments is there."""
    found: list[Diagnostic]


NOTHING = Loaded(None, [])

_AT_MARGIN = re.compile(r"^([^\s#:][^\s:]*)\s*:(?=\s|$)", re.MULTILINE)

SEARCHING = 2.0
"""Seconds of the processor in which repairs are looked for."""

MOST_FIELDS = 20_000
"""Of a network with more nodes no receptive fields are known."""

MOST_NODES = 2_000
"""Of a network with more nodes no sizes over symbols are known."""


class OpenText:
    """One version of a text that is open in an editor."""

    def __init__(
        self,
        text: EditorText,
        path: str,
        is_yaml: bool,
    ) -> None:
        self.text = text
        self.path = path
        """How findings name the file."""
        self.is_yaml = is_yaml
        self.is_replaced = False
        """Whether the editor has another text by now, so that nobody waits for an answer about this one."""

    @cached_property
    def is_network(self) -> bool:
        """Whether it is one of ours: of another document nothing is said."""
        return self.is_yaml and may_be_network(self.text.body)

    def is_begun(self, index: int) -> bool:
        """Whether it may become one of ours: beside the word at a place it has no key that a config does not have."""
        if self.is_network or not self.is_yaml:
            return self.is_network
        keys = _AT_MARGIN.finditer(self.text.body)
        others = [key[1] for key in keys if not key.start() <= index <= key.end()]
        return set(others) <= set(TOP_LEVEL)

    @property
    def root(self) -> YamlNode | None:
        """The text's tree; None where it is no network, or cannot be read."""
        return self.tree if self.is_network else None

    @cached_property
    def tree(self) -> YamlNode | None:
        """The same, of whatever the text is."""
        try:
            return compose(self.text.body)
        except Fault:
            return None

    @cached_property
    def loaded(self) -> Loaded:
        """The network with what ``tracer check`` finds in it."""
        if not self.is_network:
            return NOTHING
        body = self.text.body
        try:
            net = load_text(
                body,
                self.path,
                NONE,
            )
        except TracerError as error:
            return Loaded(self._with_wrong_arguments(), error.diagnostics)
        return Loaded(net, judge(net))

    def _with_wrong_arguments(self) -> Net | None:
        try:
            return load_text(
                self.text.body,
                self.path,
                NONE,
                allow_argument_errors=True,
            )
        except TracerError:
            return None

    @property
    def net(self) -> Net | None:
        """The network, as far as it could be loaded."""
        return self.loaded.net

    @cached_property
    def trace(self) -> Trace | None:
        """Its shapes at the declared sizes."""
        return None if self.net is None else self.net.trace()

    @cached_property
    def costs(self) -> dict[str, Cost]:
        """What each node costs, by its name."""
        return {} if self.trace is None else costs(self.trace)

    @cached_property
    def fields(self) -> dict[str, tuple[Field, ...]]:
        """The receptive field of each node, by its name."""
        trace = self.trace
        if trace is None or len(trace.network.nodes) > MOST_FIELDS:
            return {}
        return fields(trace)

    @cached_property
    def _recipe(self) -> Recipe | None:
        net = self.net
        if net is None or len(net.network.nodes) > MOST_NODES or not net.solution().solved:
            return None
        try:
            return recipe_of(
                net.network,
                net.solution().ops,
                contracts=False,
            )
        except TooLarge:
            return None

    def symbolic_shape(self, node: Node) -> Shape | None:
        """The shape of a node over the symbols; None where it has none, or it is not known."""
        return None if self._recipe is None else self._recipe.shape(node)

    # --- changes ------------------------------------------------------------------------------------------------------

    def while_waited_for(self) -> Callable[[], bool]:
        """Whether a search may go on: for so long from now, and while somebody waits for it."""
        end = time.process_time() + SEARCHING
        return lambda: not self.is_replaced and time.process_time() < end

    def repairs_of(
        self,
        warning: Diagnostic | None,
        goes_on: Callable[[], bool],
    ) -> list[Repair]:
        """The repairs of the errors, or of one warning, that are found while a search goes on, the best first."""
        if self.net is None:
            return []
        known = self._repairs.get(warning)
        if known is not None:
            return known
        found = repairs_while(self.net, goes_on, warning).found
        if goes_on():
            self._repairs[warning] = found
        return found

    @cached_property
    def _repairs(self) -> dict[Diagnostic | None, list[Repair]]:
        """What was found in searches that came to their end."""
        return {}

    # --- names --------------------------------------------------------------------------------------------------------

    @cached_property
    def mentions(self) -> Mentions:
        """Every name of the text."""
        return Mentions(self.root, self.text.body)

    @cached_property
    def _declared(self) -> list[Declared]:
        """The declarations, by their place."""
        return sorted(self.mentions.layers(), key=lambda one: start_of(one.key))

    @cached_property
    def _starts(self) -> list[int]:
        """The places of the declarations."""
        return [start_of(one.key) for one in self._declared]

    def declared_at(self, index: int) -> Declared | None:
        """The declaration that a place stands in."""
        number = bisect_right(self._starts, index) - 1
        if number < 0:
            return None
        one = self._declared[number]
        end = max(one.value.end_mark.index, one.key.end_mark.index)
        return one if index <= end else None

    def declared_between(self, first: int, last: int) -> list[Declared]:
        """The declarations that begin in a stretch of the text."""
        start = bisect_left(self._starts, first)
        end = bisect_right(self._starts, last)
        return self._declared[start:end]

    def argument_at(
        self,
        declared: Declared,
        index: int,
    ) -> str | None:
        """The argument of a declaration whose name a place stands in."""
        for key in declared.keys:
            if key.start_mark.index <= index <= key.end_mark.index:
                return str(key.value)
        return None

    def is_op_at(
        self,
        declared: Declared,
        index: int,
    ) -> bool:
        """Whether a place stands in the name of a declaration's operation."""
        op = declared.op
        return op is not None and op.start_mark.index <= index <= op.end_mark.index

    @cached_property
    def _nodes(self) -> dict[int, dict[str, Node]]:
        """By the place of a declaration: the last node of each of its uses and copies, by the name of that."""
        found: dict[int, dict[str, Node]] = {}
        nodes = [] if self.net is None else self.net.network.nodes
        for node in nodes:
            name = ""
            for part in levels(node):
                name = f"{name}.{part.text}" if name else part.text
                is_copied = part.declaration.repeat is not None
                if part.is_index or not is_copied:
                    found.setdefault(start_of(part.declaration.key), {})[name] = node
        return found

    def nodes_declared(self, declared: Declared) -> dict[str, Node]:
        """The nodes that a declaration stands for, by name: a block's use stands for its last one."""
        return self._nodes.get(start_of(declared.key), {})

    def nodes_of(self, meaning: Meaning) -> dict[str, Node]:
        """The nodes that a name stands for, in the same way."""
        scope = self.mentions.scopes.get(meaning.scope)
        if scope is None:
            return {}
        declared = scope.layers.get(meaning.name)
        if declared is not None:
            return self.nodes_declared(declared)

        names = {} if self.net is None else self.net.network.names
        is_input = scope.key is None and meaning.name in names
        return {meaning.name: names[meaning.name]} if is_input else {}


def start_of(key: ScalarNode) -> int:
    """The place of a key, by which it is known in every tree of the same text."""
    start: int = key.start_mark.index
    return start
