"""The bench on which changes of a network are tried: first in memory, then as edits of its text.

Nothing is offered that was not loaded, traced and judged again. What a repair has to take away is the network's
errors, or, where it has none and that is asked for, one of its warnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

from tracer.diagnostics import Diagnostic, TracerError
from tracer.geometry.overlays import overlays
from tracer.loading import reloaded
from tracer.net import Net
from tracer.network.graph import consumers, made_of
from tracer.network.records import Network, Node
from tracer.ops.base import Op, Shape
from tracer.ops.merge import Merge
from tracer.repairing.progress import Progress, end_of, progress, progress_of
from tracer.repairing.writing import Path, path_of
from tracer.rules import judge
from tracer.shapes.trace import Again, Trace, again, trace
from tracer.source.edits import Edit, EditError, Value, edited
from tracer.source.tree import Fault

NODES = 7_000
"""Nodes of edited texts that are traced at most; what would take more is not tried."""

IN_MEMORY = 40_000
"""Nodes that are traced at most to see whether a change is worth an edited text."""

LARGE = 400
"""Of networks with more nodes what is costly for each of them is not tried."""

OPENED = 10
"""So many arguments that are opened for the planner cost as much as another trace; twice as many as four."""

LINTS = ("T105", "T501", "T502", "T503", "T504", "T505", "T508")
"""Warnings that a repair may take away or bring."""


class Group(NamedTuple):
    """The nodes that one declaration makes: one, or a node for each use of its block."""

    nodes: tuple[Node, ...]

    @property
    def first(self) -> Node:
        """The first of them in the order of execution."""
        return self.nodes[0]

    @property
    def path(self) -> Path:
        """The place of its arguments in the document."""
        return path_of(self.first, self.first.declaration)

    def edit(self, field: str, value: Value) -> Edit:
        """The edit that gives one of its arguments another value."""
        path: Path = (*self.path, field)
        return Edit(path, value)


class Tried(NamedTuple):
    """An edited text, its network, and what is found of it."""

    text: str
    net: Net
    found: list[Diagnostic]

    @property
    def errors(self) -> list[Diagnostic]:
        """The findings that are no warnings."""
        return [one for one in self.found if one.severity == "error"]


class Bench:
    """One network that does not close (or that has a warning), and what is known of its faults."""

    def __init__(self, net: Net, aim: Diagnostic | None = None) -> None:
        self.net = net
        self.network: Network = net.network
        self.source = net.network.source
        self.aim = aim
        """The warning that is to be taken away; None: all errors."""
        self.ops = net.solution().ops
        self.trace = self._first_failing()
        """Of the first promised sizes that fail; of the declared ones where those do."""
        self.sizes = self.trace.sizes
        self.readers = consumers(self.network)
        self.nodes_left = NODES
        self.in_memory_left = IN_MEMORY
        self.left_out = False
        """Something was not tried, as it would take too long."""
        self.is_first_of_two = False
        """Changes are worth an edited text that take the first fault away and leave others behind it."""

    @classmethod
    def at(cls, net: Net, other: Bench) -> Bench:
        """A bench of an edited network, with what is left to spend of another one."""
        bench = cls(net, other.aim)
        bench.nodes_left, bench.in_memory_left = other.nodes_left, other.in_memory_left
        return bench

    @cached_property
    def progress(self) -> Progress:
        """How far the network comes as it is."""
        return progress_of(self.trace)

    @property
    def is_large(self) -> bool:
        """Whether what costs something for each node is left out."""
        return len(self.network.nodes) > LARGE

    @cached_property
    def unknowns(self) -> int:
        """The number of arguments that the planner chooses."""
        return sum(len(node.unknowns) for node in self.network.nodes)

    def is_named(self, node: Node) -> bool:
        """Whether some declaration names a node, or it is an output."""
        return node.index in self._operands or node.declaration.name in self._names_written

    def is_operand(self, node: Node) -> bool:
        """Whether a node is an argument of another one, or an output."""
        return node.index in self._operands

    @cached_property
    def _operands(self) -> set[int]:
        """The nodes that are an argument of another one, and the outputs, by their index."""
        found = {node.index for node in self.network.outputs.values()}
        for node in self.network.nodes:
            found |= {operand.index for operand in node.operands.values()}
        return found

    @cached_property
    def _names_written(self) -> set[str]:
        """The names of layers and blocks that stand after a `from`."""
        found: set[str] = set()
        for node in self.network.nodes:
            for declaration in (node.declaration, *node.uses):
                found |= {one.value.partition(".")[0] for one in declaration.inputs or []}
        return found

    def _first_failing(self) -> Trace:
        """The trace at the first promised sizes that fail."""
        first = self.net.trace()
        if first.diagnostics or self.is_large:
            return first

        from tracer.rules.every_size import failing_sizes

        failing = failing_sizes(self.net)
        if failing is None:
            return first
        return trace(self.network, {**self.network.defaults(), **failing}, self.net.built.ops)

    @cached_property
    def found(self) -> list[Diagnostic]:
        """The findings of the network as it is."""
        return judge(self.net)

    @cached_property
    def is_open(self) -> bool:
        """Some argument is ``auto``: a change in memory would need a plan of its own."""
        return any(node.unknowns for node in self.network.nodes)

    # --- trying -------------------------------------------------------------------------------------------------------

    def affords(self, traces: int = 1) -> bool:
        """Whether so many traces of the network may still be made of texts; they are then taken off."""
        nodes = traces * len(self.network.nodes)
        if nodes > self.nodes_left:
            self.left_out = True
            return False

        self.nodes_left -= nodes
        return True

    def loaded(self, edits: Sequence[Edit]) -> tuple[str, Net] | None:
        """The edited text and its network; None where it cannot be edited or loaded, or takes too long."""
        opened = self.unknowns + sum(isinstance(edit.value, str) for edit in edits)
        if not self.affords(1 + (opened // OPENED) ** 2):
            return None
        try:
            text = edited(self.source, edits)
            again = reloaded(self.net, text, explain_plan=False, allow_argument_errors=True)
            return text, again
        except (EditError, TracerError, ValueError, Fault):
            return None

    def tried(self, edits: Sequence[Edit]) -> Tried | None:
        """The edited text judged; None where it does not load."""
        made = self.loaded(edits)
        if made is None:
            return None
        text, net = made
        return Tried(text, net, judge(net))

    def reaches_aim(self, tried: Tried) -> bool:
        """Whether nothing is left of what was to be taken away."""
        if tried.errors or self.leaves_unread(tried):
            return False
        if self.aim is None:
            return True
        codes = [one.code for one in tried.found]
        before = [one.code for one in self.found]
        worse = any(codes.count(code) > before.count(code) for code in LINTS)
        if worse or codes.count(self.aim.code) >= before.count(self.aim.code):
            return False

        # Where no pixel lies on one of the input's, nothing lies beside it: that takes away the question alone.
        compared = len(list(overlays(tried.net.trace())))
        return self.aim.code != "T508" or compared == len(list(overlays(self.trace)))

    def leaves_unread(self, tried: Tried) -> bool:
        """Whether a layer that was in use is read by nothing then: such a change cuts out a part of the network."""
        before = {one.node for one in self.found if one.code == "T105"}
        return any(one.code == "T105" and one.node not in before for one in tried.found)

    def closes(self, changed: Mapping[int, Op]) -> bool:
        """Whether other operations, by their node's index, are worth an edited text: see :meth:`comes_to`."""
        return self.comes_to(changed) is not None

    def comes_to(self, changed: Mapping[int, Op]) -> Progress | None:
        """How far the network would come at the failing sizes with other operations, by their node's index.

        None where it would not close; of first changes, where it would come no further than as it is. What is not known
        without a text, as an ``auto`` would have to be solved again, is the best.
        """
        if self.is_open or self.aim is not None:
            return end_of(self.network)
        if self.in_memory_left < 0:
            self.left_out = True
            return None

        found = again(self.trace, self.ops, changed)
        self.in_memory_left -= found.asked
        if found.runs:
            return end_of(self.network)
        return self._further(found) if self.is_first_of_two else None

    def _further(self, found: Again) -> Progress | None:
        """How far the network came, where it is refused later than as it is, or for less."""
        if not found.found:
            return None

        came = progress(
            self.network,
            self.sizes,
            found.shapes,
            found.found,
        )
        return came if came > self.progress else None

    # --- the network --------------------------------------------------------------------------------------------------

    def groups(self, nodes: Sequence[Node] | None = None) -> list[Group]:
        """The nodes of some, or of the network, by their declarations."""
        found: dict[int, list[Node]] = {}
        for node in self.network.nodes if nodes is None else nodes:
            if not node.is_input and node.op is not None:
                found.setdefault(id(node.declaration), []).append(node)
        return [Group(tuple(alike)) for alike in found.values()]

    def all_of(self, node: Node) -> Group:
        """The nodes of a node's declaration."""
        alike = [one for one in self.network.nodes if one.declaration is node.declaration]
        return Group(tuple(alike))

    def is_at_fault(self, node: Node) -> bool:
        """A finding is about the node, or it has no shape."""
        if self.aim is not None:
            return self.aim.node == node.name
        if self.trace.by_index[node.index] is None:
            return True
        return any(d.node == node.name for d in self.trace.diagnostics)

    def shape(self, node: Node) -> Shape | None:
        """The shape of a node at the sizes that fail; None behind the fault."""
        return self.trace.by_index[node.index]

    def first_with(self, code: str) -> Node | None:
        """The first node that a finding of this code is about, at the sizes that fail."""
        names = [d.node for d in self.trace.diagnostics if d.code == code and d.node]
        return self.network.names.get(names[0]) if names else None

    @cached_property
    def first_fault(self) -> int:
        """The index of the first node that a finding is about; of the last node where none is."""
        names = (
            {d.node for d in self.trace.diagnostics} if self.aim is None else {self.aim.node}
        )
        found = [node.index for node in self.network.nodes if node.name in names]
        return min(found, default=len(self.network.nodes) - 1)

    def before_fault(self) -> set[int]:
        """The indices of the first node that a finding is about and of all that it is made of."""
        fault = self.network.nodes[self.first_fault]
        return {node.index for node in made_of([fault])}

    @cached_property
    def failing_merge(self) -> Node | None:
        """The first merge of several inputs that refuses them, or that the warning is about."""
        for visit in self.trace.walk():
            if isinstance(visit.op, Merge) and len(visit.node.inputs) > 1:
                refused = self.trace.is_refused(visit.node)
                named = self.aim is not None and self.aim.node == visit.node.name
                if refused or named:
                    return visit.node
        return None

    def name_for(self, wanted: Node, reader: Node) -> str | None:
        """The name of a node as another one can write it; None where no name reaches it."""
        prefix = ""
        if reader.uses:
            prefix = reader.name.removesuffix(reader.declaration.name)

        names = [name for name, node in self.network.names.items() if node is wanted]
        local = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        if prefix:
            # From inside of a block only its own layers can be named.
            local = [name for name in local if "." not in name]
        return min(local, key=lambda name: (name.count("."), len(name)), default=None)

    def written_names(self, node: Node) -> list[str]:
        """The names of a node's inputs as it can write them; none where one has no name there."""
        names = [self.name_for(source, node) for source in node.inputs]
        return [] if None in names else [name for name in names if name is not None]

    def before(self, node: Node) -> Iterator[Node]:
        """The nodes that a node is not made into, which it may read."""
        behind = {node.index}
        for other in self.network.nodes:
            if any(
                source.index in behind for source in (*other.inputs, *other.operands.values())
            ):
                behind.add(other.index)
        for other in self.network.nodes:
            if other.index not in behind:
                yield other

    def passed(self) -> list[int]:
        """For each node the fewest positions of a map that it was made through: small where it comes from below."""
        found: list[int] = []
        for visit in self.trace.walk():
            shape = visit.shape or ()
            own = _positions(shape)
            before = [found[source.index] for source in visit.node.inputs]
            found.append(min([own, *before]))
        return found

    def decoder_of(self, merge: Node) -> int:
        """The number of the input of a merge that comes from below; the first where none does alone."""
        passed = self.passed()
        sizes = [passed[source.index] for source in merge.inputs]
        least = min(sizes)
        return sizes.index(least) if sizes.count(least) == 1 else 0


def _positions(shape: Sequence[int]) -> int:
    """The number of positions of a map, channels and batch aside."""
    total = 1
    for n in shape[2:]:
        total *= n
    return total


def one_or_several(names: Sequence[str]) -> str | tuple[str, ...]:
    """Names as ``from`` has them.

    >>> one_or_several(["up"]), one_or_several(["up", "skip"])
    ('up', ('up', 'skip'))
    """
    return names[0] if len(names) == 1 else tuple(names)
