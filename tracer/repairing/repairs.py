"""Finds changes that make a network close, each tried on the config's text before it is offered.

A repair is a few edits. The edited text is loaded and traced again: only what then closes is offered, with what it
does to parameters, MACs, outputs and the sizes that work. Repairs are ranked by how little they change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from tracer.costs.operations import costs, total
from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import load_text, reloaded
from tracer.net import Net
from tracer.network.graph import consumers, skip_of
from tracer.network.records import Network, Node, SizeRange, is_set
from tracer.ops.base import Op, per_axis, written
from tracer.ops.convolution import ConvTranspose
from tracer.ops.merge import Merge
from tracer.ops.pooling import Pooling
from tracer.ops.unpooling import MaxUnpool
from tracer.planning.promises import first_missing
from tracer.planning.solution import Solution
from tracer.planning.working_sizes import promised_sizes, with_every_dim_open
from tracer.repairing.in_python import InPython, in_python
from tracer.repairing.padded_inputs import sizes_to_pad_to
from tracer.repairing.python_files import PythonFiles
from tracer.repairing.writing import Path, Written, path_of, written_plan
from tracer.rules import judge
from tracer.shapes.trace import Trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.source.edits import Edit, EditError, edited
from tracer.source.python_calls import SourceEdit
from tracer.source.tree import Fault

ROUNDS = 16
"""Merges that are aligned, or up-layers that are sized, one after the other, before a repair is given up."""


NODES = 4_000
"""Nodes of edited texts that are traced at most; what would take more is not tried."""

OPENED = 25
"""So many arguments that are opened for the planner cost as much as another trace."""


class Changes(msgspec.Struct, frozen=True):
    """The effect of a repair."""

    values: int
    """The number of values of the config that it changes."""
    nodes: list[str]
    """The nodes that it changes: more than values where a block or an alias is shared."""
    params: int
    macs: int
    params_difference: int | None
    """Against the network as it is; None where that could not be traced to its end."""
    macs_difference: int | None
    outputs: dict[str, list[int]]
    """The shapes that come out."""
    sizes: dict[str, str]
    """The input sizes that run then, per symbol."""


class RepairEdit(msgspec.Struct, frozen=True):
    """One value of the config."""

    path: str
    """Keys from the document's root: ``decoder.up4.output_padding``."""
    value: Any


class Repair(msgspec.Struct, frozen=True):
    """One way to make the network close."""

    title: str
    safe: bool
    """It changes values of ``auto`` and ``output_padding`` only."""
    edits: list[RepairEdit]
    changes: Changes
    text: str
    """The config's text with the edits made."""
    steps: list[str] = []
    """What is to be done in the Python program that the network was read from, a sentence each."""
    source_edits: list[SourceEdit] = []
    """All of that as edits of Python files; empty where a part can only be told."""
    source_texts: dict[str, str] = {}
    """The texts of those files with the edits made, by path."""

    def __repr__(self) -> str:
        """``<Repair output_padding of up2 (safe)>``."""
        return f"<Repair {self.title}{' (safe)' if self.safe else ''}>"


def faults_of(net: Net) -> list[Diagnostic]:
    """The errors that a repair has to take away."""
    return [d for d in judge(net) if d.severity == "error"]


class Repairs(NamedTuple):
    """The repairs that were found, the one that changes least first."""

    found: list[Repair]
    complete: bool
    """False where changes were left out that a network of so many nodes takes too long to try."""


def repairs(net: Net) -> Repairs:
    """Every repair that was found to close the network; none where it closes."""
    if not _may_be_repaired(net):
        return Repairs([], complete=True)

    finder = _finder(net)
    found: dict[str, Repair] = {}
    for repair in finder.closing():
        if repair is not None:
            found.setdefault(repair.text, repair)
    return Repairs(sorted(found.values(), key=_rank), not finder.left_out)


def count_repairs(net: Net, seconds: float) -> int | None:
    """The number of repairs of a network that does not close; None where finding them takes the processor longer."""
    end = time.process_time() + seconds
    if not _may_be_repaired(net):
        return 0

    found = set()
    for repair in _finder(net).closing():
        if time.process_time() > end:
            return None
        if repair is not None:
            found.add(repair.text)
    return len(found)


def _may_be_repaired(net: Net) -> bool:
    return bool(net.network.source and faults_of(net))


def _finder(net: Net) -> _Finder:
    return _Finder(_unrolled(net), list(net.network.outputs))


def _unrolled(net: Net) -> Net:
    """A network that was read from a program, without blocks; any other as it is."""
    program = net.read_from
    if program is None or program.unrolled is None:
        return net

    text, places = program.unrolled.text, program.unrolled.places
    edits = [Edit(("sizes", symbol), n) for symbol, n in net.network.defaults().items()]
    try:
        return load_text(
            edited(text, edits),
            net.network.path,
            {},
            read_from=replace(program, places=places, unrolled=None),
        )
    except (EditError, TracerError):
        return net


def _rank(repair: Repair) -> tuple[Any, ...]:
    """Safe ones first; other input sizes last; then by the number of values, then by what they cost."""
    changes = repair.changes
    of_sizes = any(edit.path.startswith(("sizes.", "input.")) for edit in repair.edits)
    costs_more = (abs(changes.params_difference or 0), abs(changes.macs_difference or 0))
    return (not repair.safe, of_sizes, changes.values, *costs_more)


Candidate = tuple[str, list[Edit]]


class _Finder:
    """Makes and tries edits of one network's text."""

    def __init__(self, net: Net, outputs: Sequence[str]) -> None:
        self.net = net
        self.outputs = outputs
        """The names of the outputs as the user knows them."""
        self.network: Network = net.network
        self.source = net.network.source
        self.trace = net.trace()
        complete = None not in self.trace.by_index
        self.cost = total(costs(self.trace)) if complete else None
        self.readers = consumers(self.network)
        program = net.read_from
        self.is_python = program is not None and bool(program.places)
        self.files = PythonFiles()
        self.nodes_left = NODES
        self.left_out = False
        """Something was not tried, as it would take too long."""

    def closing(self) -> Iterator[Repair | None]:
        """What each candidate comes to: a repair, or nothing."""
        yield None
        for title, edits in self.candidates():
            yield self.tried(title, edits)

    def candidates(self) -> Iterator[Candidate]:
        """Edits that may close the network, those that change little first."""
        ups = [node for node in self.network.nodes if _is_up_layer(node)]
        near = [node for node in ups if self._leads_to_fault(node)] or ups
        groups = [near] if near == ups else [near, ups]

        for layers in groups:
            yield from self._solved(layers, "output_padding")
        yield from self._solved_sizes(groups)
        unpoolings = [node for node in self.network.nodes if _is_unpooling(node)]
        failing = [node for node in unpoolings if self._is_at_fault(node)]
        yield from self._solved_sizes(
            [failing] if failing == unpoolings else [failing, unpoolings]
        )
        for mode in ("crop", "pad", "resize"):
            yield from self._aligned(mode)

        pools = [node for node in self.network.nodes if _rounds_down(node)]
        yield from self._solved(pools, "ceil_mode")
        yield from self._solved(near, "padding", also="output_padding")
        yield from self._solved(near, "kernel_size", also="output_padding")
        yield from self._solved(near, "kernel_size", "padding", also="output_padding")
        yield from self._solved(near, "stride", also="output_padding")
        yield from self._padded()
        yield from self._other_sizes()

    # --- trying ---------------------------------------------------------------------------------------------------

    def tried(self, title: str, edits: list[Edit]) -> Repair | None:
        """The repair, where the edited text closes."""
        text, net = self._loaded(edits)
        if net is None or text is None or faults_of(net):
            return None

        told = self._in_python(net)
        return Repair(
            title=title if told is None else told.title,
            safe=all(map(self._is_safe, edits)),
            edits=[RepairEdit(_dotted(edit), edit.value) for edit in edits],
            changes=self._changes(edits, net),
            text=text,
            steps=[] if told is None else told.steps,
            source_edits=[] if told is None else told.source_edits,
            source_texts={} if told is None else told.texts,
        )

    def _in_python(self, net: Net) -> InPython | None:
        """The repair in the terms of the program that the network was read from; None for a config."""
        return in_python(self.net, net, self.files) if self.is_python else None

    def _changes(self, edits: list[Edit], net: Net) -> Changes:
        """The effect of the edits; ``net`` is the network that they give."""
        trace = net.trace()
        before, after = self.cost, total(costs(trace))
        shapes = zip(self.outputs, trace.outputs.values())
        outputs = {name: list(y) for name, y in shapes if y is not None}
        return Changes(
            values=len(edits),
            nodes=self._changed_nodes(trace),
            params=after.params,
            macs=after.macs,
            params_difference=None if before is None else after.params - before.params,
            macs_difference=None if before is None else after.macs - before.macs,
            outputs=outputs,
            sizes=_running_sizes(net),
        )

    def _changed_nodes(self, trace: Trace) -> list[str]:
        """The nodes whose arguments differ."""
        before, after = _arguments(self.trace), _arguments(trace)
        return [name for name, arguments in after.items() if before.get(name) != arguments]

    def _is_safe(self, edit: Edit) -> bool:
        """It changes an ``auto`` or an ``output_padding``."""
        if "output_padding" in edit.path:
            return True
        unknowns = ((node, u.field) for node in self.network.nodes for u in node.unknowns)
        return any(edit.path in _paths(node, field) for node, field in unknowns)

    def _affords(self, traces: int = 1) -> bool:
        """Whether so many traces of the network may still be made; they are then taken off."""
        nodes = traces * len(self.network.nodes)
        if nodes > self.nodes_left:
            self.left_out = True
            return False

        self.nodes_left -= nodes
        return True

    def _loaded(self, edits: list[Edit]) -> tuple[str | None, Net | None]:
        """The edited text and its network; None where it cannot be edited or loaded, or takes too long."""
        unknowns = sum(len(node.unknowns) for node in self.network.nodes)
        opened = unknowns + sum(isinstance(edit.value, str) for edit in edits)
        if not self._affords(1 + opened // OPENED):
            return None, None
        try:
            text = edited(self.source, edits)
            return text, reloaded(self.net, text, explain_plan=False)
        except (EditError, TracerError, ValueError, Fault):
            return None, None

    def _leads_to_fault(self, node: Node) -> bool:
        """The first merge behind an up-layer is at fault, or a layer before it."""
        at, seen = node, {node.index}
        while len(following := self.readers.get(at.index, [])) == 1:
            at = following[0]
            if at.index in seen:
                return False
            seen.add(at.index)
            if self._is_at_fault(at):
                return True
            if len(at.inputs) > 1:
                return False
        return False

    def _is_at_fault(self, node: Node) -> bool:
        if self.trace.by_index[node.index] is None:
            return True
        return any(d.node == node.name for d in self.trace.diagnostics)

    # --- values that the planner finds ------------------------------------------------------------------------------

    def _solved(
        self, layers: list[Node], *fields: str, also: str | None = None
    ) -> Iterator[Candidate]:
        """Open some arguments of some layers, and let the planner find the values next to the present ones."""
        what = " and ".join(fields)
        if also is not None:
            fields = (*fields, also)
        opened = [
            _Opened(node, field, getattr(node.op, field))
            for node in layers
            for field in fields
            if _can_be_opened(node, field)
        ]
        edits = self._planned(opened) if opened else []
        if edits:
            yield f"{what} of {_named(edits)}", edits

    def _planned(self, opened: list[_Opened]) -> list[Edit]:
        """The values that the planner finds next to the present ones, as far as they are others."""
        _, net = self._loaded([Edit(one.path, self._domain(one)) for one in opened])
        if net is None:
            return []
        net.network.preferred = {(one.node.name, one.field): one.present for one in opened}
        solution = Net(net.network, explain_plan=False).solution()
        if not solution.solved:
            return []
        try:
            plan = written_plan(net, solution.ops)
        except EditError:
            return []

        # What was auto before stays so, and so does what has its value already.
        present = {one.path: one.present for one in opened}
        edits = [edit for edit in plan.edits if edit.path in present]
        return [edit for edit in edits if not _is_alike(present[edit.path], edit.value)]

    @staticmethod
    def _domain(opened: _Opened) -> str:
        """The values that are worth a try: those next to the present one."""
        field = opened.field
        if field in ("output_padding", "ceil_mode"):
            return "auto"
        op = opened.node.op
        assert op is not None
        values = per_axis(opened.present, int(getattr(op, "axes", 1)))
        least = max(min(values) - 2, op.solvable[field].least)
        return f"auto({least}..{max(values) + 3})"

    # --- sizes at run time, and merges that align -------------------------------------------------------------------

    def _solved_sizes(self, groups: list[list[Node]]) -> Iterator[Candidate]:
        """``output_size: NODE`` on the up-layers that lead to a fault, and on all."""
        for layers in groups:
            found = []
            for node in layers:
                skip = self._model_of(node)
                name = None if skip is None else self._name_for(skip, node)
                if name is not None:
                    found.append(Edit((*path_of_argument(node), "output_size"), name))

            # The layers of a block share one text.
            found = list({edit.path: edit for edit in found}.values())
            if found:
                what = "map that is pooled" if all(map(_is_unpooling, layers)) else "skip"
                yield (
                    f"output_size of {_named(found)}, taken from the {what} at run time",
                    found,
                )

    def _model_of(self, node: Node) -> Node | None:
        """The node whose size an up-layer should have: the map that was pooled, or the skip that it meets."""
        pool = node.operands.get("indices")
        return skip_of(node, self.readers) if pool is None else pool.inputs[0]

    def _name_for(self, wanted: Node, reader: Node) -> str | None:
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

    def _aligned(self, mode: str) -> Iterator[Candidate]:
        """``align`` on every merge that does not close, from the first on."""
        edits: dict[Any, Edit] = {}
        net: Net | None = self.net
        for _ in range(ROUNDS):
            merge = None if net is None else _failing_merge(net)
            if merge is None:
                break
            path = (*path_of_argument(merge), "align")
            if path in edits:
                return
            edits[path] = Edit(path, mode)
            _, net = self._loaded(list(edits.values()))
        found = list(edits.values())
        if found:
            yield f"align: {mode} at {_named(found)}", found

    # --- other input sizes ------------------------------------------------------------------------------------------

    def _padded(self) -> Iterator[Candidate]:
        """The sizes that a program can pad its input to."""
        if not self.is_python:
            return
        declared, wanted = self.network.defaults(), sizes_to_pad_to(self.net)
        edits = [Edit(("sizes", s), n) for s, n in wanted.items() if declared[s] != n]
        if edits:
            yield "padded input", edits

    def _other_sizes(self) -> Iterator[Candidate]:
        """The nearest sizes that work, below and above; for promised ranges the class of sizes that all work."""
        network = with_every_dim_open(self.network)
        if not self._affords(len(network.symbols)):
            return
        ops, first = self.net.solution().ops, network.defaults()
        below: list[Edit] = []
        above: list[Edit] = []
        for symbol in network.symbols:
            try:
                found = promised_sizes(
                    network, ops, self._nearest_working(network, ops, first, symbol), symbol
                )
                if found is None or not found.sizes:
                    return
                less, more = self._size_edits(symbol, found.sizes, first[symbol], found.below)
            except (TooLarge, KeyError):
                return
            below += less
            above += more
        for edits in (below, above):
            if edits:
                shown = [
                    f"{_dotted(e).removeprefix('sizes.')} = {written(e.value)}" for e in edits
                ]
                yield f"input sizes: {', '.join(shown)}", edits

    def _nearest_working(
        self, network: Network, ops: Any, first: Mapping[str, int], but: str
    ) -> dict[str, int]:
        """The other symbols at the sizes next to the present ones that work by themselves."""
        if self._working is None:
            axes = self.net.working_sizes(every_dim=True).axes
            self._working = {
                s: (axes[s].runs.nearest(n) or (n,))[0] for s, n in first.items() if s in axes
            }
        return {**first, **{s: n for s, n in self._working.items() if s != but}}

    _working: dict[str, int] | None = None

    def _size_edits(
        self, symbol: str, works: SizeSet, size: int, known: int | None
    ) -> tuple[list[Edit], list[Edit]]:
        """The edits to the next smaller size that works, and to the next larger one; a set of sizes has one answer."""
        promise = self.network.sizes.get(symbol)
        if isinstance(promise, SizeRange):
            edits = self._range_edits(symbol, promise, works, known)
            return edits, edits
        if isinstance(promise, tuple) and is_set(promise):
            kept = tuple(n for n in promise if n in works)
            edits = [Edit(("sizes", symbol), kept)] if kept and kept != promise else []
            return edits, edits
        if size in works:
            return [], []

        path = self._paths_of_fixed_dims().get(symbol, ("sizes", symbol))
        less, more = works.at_most(size), works.at_least(size)
        smaller = [Edit(path, less)] if less else []
        larger = [Edit(path, more)] if more is not None else []
        return smaller, larger

    def _paths_of_fixed_dims(self) -> dict[str, Path]:
        """The place of each dim of the inputs in the document, by its symbol when every dim is open."""
        inputs = [node for node in self.network.nodes if node.is_input]
        is_single = len(inputs) == 1 and inputs[0].name == "input"
        paths: dict[str, Path] = {}
        for node in inputs:
            start: Path = ("input",) if is_single else ("input", node.name)
            for dim in range(len(node.pattern)):
                paths[f"{node.name}[{dim}]"] = (*start, dim)
        return paths

    @staticmethod
    def _range_edits(
        symbol: str, promise: SizeRange, works: SizeSet, known: int | None
    ) -> list[Edit]:
        """A step of the period, from the first size that works."""
        if first_missing(promise, works, known) is None:
            return []

        least = works.at_least(promise.least)
        while least is not None and works.residues and least < works.start:
            least = works.at_least(least + 1)
        if least is None or not works.residues:
            return []

        # A step that is a multiple of the period keeps to the sizes that work.
        step = promise.step if promise.step % works.modulus == 0 else works.modulus
        edits = []
        if least != promise.least:
            edits.append(Edit(("sizes", symbol, "min"), least))
        if step != promise.step:
            edits.append(Edit(("sizes", symbol, "step"), step))
        return edits


class _Opened(NamedTuple):
    """An argument that is given to the planner, and the value that it has."""

    node: Node
    field: str
    present: Any

    @property
    def path(self) -> Path:
        """Its place in the document."""
        return (*path_of_argument(self.node), self.field)


def _can_be_opened(node: Node, field: str) -> bool:
    """The operation's argument may be solved, and is not an ``auto`` already."""
    is_auto = any(unknown.field == field for unknown in node.unknowns)
    return node.op is not None and field in node.op.solvable and not is_auto


def _is_up_layer(node: Node) -> bool:
    """A transposed convolution whose size is not given by another node."""
    return isinstance(node.op, ConvTranspose) and not node.operands


def _is_unpooling(node: Node) -> bool:
    """A max unpooling whose size is not given by another node."""
    return isinstance(node.op, MaxUnpool) and "output_size" not in node.operands


def _rounds_down(node: Node) -> bool:
    """A pooling that leaves out a last window that is not full."""
    return isinstance(node.op, Pooling) and not node.op.ceil_mode


def _arguments(trace: Trace) -> dict[str, tuple[Op | None, dict[str, str]]]:
    """The operation of every node, and the nodes that give an argument."""
    found = {}
    for visit in trace.walk():
        operands = {field: source.name for field, source in visit.node.operands.items()}
        found[visit.node.name] = (visit.op, operands)
    return found


def _running_sizes(net: Net) -> dict[str, str]:
    """The sizes that run, by symbol; empty where they repeat later than is computed."""
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        return {}
    return {symbol: axis.runs.written(symbol) for symbol, axis in axes.items()}


def _failing_merge(net: Net) -> Node | None:
    """The first merge whose inputs differ; None where it aligns them already."""
    trace = net.trace()
    for visit in trace.walk():
        if not isinstance(visit.op, Merge) or visit.shape is not None:
            continue
        if None not in trace.input_shapes(visit.node):
            return visit.node if visit.op.align == "none" else None
    return None


def path_of_argument(node: Node) -> Path:
    """The place of a node's arguments in the document."""
    return path_of(node, node.declaration)


def _paths(node: Node, field: str) -> list[Path]:
    """The places of an argument, and of the values in its list."""
    path = (*path_of_argument(node), field)
    return [path, *((*path, axis) for axis in range(6))]


def _is_alike(present: Any, value: Any) -> bool:
    """The two values are the same, a number being one for every axis."""
    if isinstance(present, tuple) and not isinstance(value, tuple):
        return set(present) == {value}
    if isinstance(value, tuple) and not isinstance(present, tuple):
        return set(value) == {present}
    return bool(present == value)


def _named(edits: list[Edit]) -> str:
    names = [str(edit.path[-2]) for edit in edits]
    return ", ".join(dict.fromkeys(names))


def _dotted(edit: Edit) -> str:
    return ".".join(map(str, edit.path))


class Plan:
    """The answer of :func:`tracer.plan`: values for every ``auto``, or why there are none and what would help."""

    def __init__(self, net: Net, solution: Solution, diagnostics: list[Diagnostic]) -> None:
        self.net = net
        self.diagnostics = diagnostics
        """The errors that are left; empty where the plan is feasible."""
        self.feasible = solution.solved and not diagnostics
        """Every ``auto`` has a value, and the network closes for every size that it promises."""
        self.assignments: dict[str, tuple[Any, ...]] = (
            solution.assignments if solution.solved else {}
        )
        """``"up4.output_padding": (1, 0)``, one value per spatial axis."""
        self.cost = solution.cost
        self.solutions = solution.solutions
        self.capped = solution.capped
        self.served = solution.served
        """Where no assignment serves every promised size: which serves which, the one that serves the most first."""
        self.ops = solution.ops

    @cached_property
    def _searched(self) -> Repairs:
        return Repairs([], complete=True) if self.feasible else repairs(self.net)

    @property
    def repairs(self) -> list[Repair]:
        """The repairs that make the network close, the least change first; each was loaded and traced again."""
        return self._searched.found

    @property
    def repairs_complete(self) -> bool:
        """False where changes were left out that a network of so many nodes takes too long to try."""
        return self._searched.complete

    def written(self) -> Written:
        """The config's text with the solved values in place of every ``auto``. Raises EditError."""
        return written_plan(self.net, self.ops)

    def __repr__(self) -> str:
        """``<Plan feasible: up4.output_padding (1, 0)>``."""
        if not self.feasible:
            return f"<Plan not feasible: {', '.join(d.code for d in self.diagnostics)}>"
        values = ", ".join(f"{place} {value}" for place, value in self.assignments.items())
        return f"<Plan feasible: {values or 'nothing is open'}>"


def plan_of(net: Net) -> Plan:
    """The plan of a network, for every size that it promises."""
    return Plan(net, net.solution(), faults_of(net))
