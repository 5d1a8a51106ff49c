"""Finds changes that make a network close, each tried on the config's text before it is offered.

A repair is a few edits. The edited text is loaded and traced again: only what then closes is offered, with what it
does to parameters, MACs, outputs and the sizes that work, and with the warnings that it brings. Kinds of changes are
in :mod:`tracer.repairing.candidates`; :mod:`tracer.repairing.ranking` orders what they come to.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from tracer.costs.operations import costs, total
from tracer.diagnostics import Diagnostic, TracerError, legible, shortened
from tracer.loading import load_text
from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import Op
from tracer.planning.solution import Solution
from tracer.repairing.bench import LINTS, Bench, Tried
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates import candidates
from tracer.repairing.in_data import in_data
from tracer.repairing.in_python import InPython, in_python
from tracer.repairing.python_files import PythonFiles
from tracer.repairing.ranking import in_order, scale_of
from tracer.repairing.repair import Changes, Repair, RepairEdit
from tracer.repairing.shared_lines import for_whole_lines
from tracer.repairing.two_changes import FirstChange, first_change, pairs
from tracer.repairing.writing import Path, Written, path_of, written_plan
from tracer.rules import judge
from tracer.shapes.trace import Trace
from tracer.sizing.size_set import TooLarge
from tracer.source.edits import Edit, EditError, edited

if TYPE_CHECKING:
    from tracer import Drawing

GIVEN_UP = 2
"""After so many changes whose autos have too many values to search, other input sizes alone are tried."""


BENT = {"T503", "T504", "T505"}
"""Warnings of a map that was made to fit where another one was meant."""

MOST_NODES = 1_200
"""Of networks with more nodes no two changes are tried together."""


def faults_of(net: Net) -> list[Diagnostic]:
    """The errors that a repair has to take away."""
    return [d for d in judge(net) if d.severity == "error"]


class Repairs(NamedTuple):
    """The repairs that were found, the best first."""

    found: list[Repair]
    complete: bool
    """False where changes were left out that take too long to try in this network."""


def repairs(net: Net) -> Repairs:
    """Every repair that was found to close the network; none where it closes."""
    if not _may_be_repaired(net):
        return Repairs([], complete=True)
    return _found(_Finder(_unrolled(net), list(net.network.outputs)))


def repairs_of_warnings(net: Net) -> Repairs:
    """Repairs that take a warning away (T501 to T504, T508), of a network that closes; they bring no other."""
    found: dict[str, Repair] = {}
    complete = True
    warnings = [d for d in judge(net) if d.code in LINTS]
    aims = {(d.code, d.node): d for d in warnings}
    for aim in aims.values():
        some = _found(_Finder(_unrolled(net), list(net.network.outputs), aim))
        complete &= some.complete
        found = _joined(found, some.found)

    return Repairs(in_order(_that_keep_outputs(net, list(found.values()))), complete)


def _joined(known: dict[str, Repair], more: Sequence[Repair]) -> dict[str, Repair]:
    """Repairs by their text, the first of each."""
    return known | {one.text: one for one in more if one.text not in known}


def _that_keep_outputs(net: Net, found: Sequence[Repair]) -> list[Repair]:
    """Those that leave the outputs' shapes as they are, or make them as large as the input."""
    outputs = [list(shape or ()) for shape in net.trace().outputs.values()]
    return [one for one in found if _keeps(one, outputs)]


def _keeps(repair: Repair, outputs: list[list[int]]) -> bool:
    """Whether the outputs are as before, or as large as the input; other input sizes may give others."""
    if repair.kind >= Kind.SIZES or repair.scale == 1:
        return True
    return list(repair.changes.outputs.values()) == outputs


def repairs_while(
    net: Net,
    goes_on: Callable[[], bool],
    warning: Diagnostic | None = None,
) -> Repairs:
    """The repairs that are found while ``goes_on`` says so: of the errors, or of one warning where there are none."""
    if warning is None and not _may_be_repaired(net):
        return Repairs([], complete=True)

    finder = _Finder(_unrolled(net), list(net.network.outputs), warning)
    some = _found(finder, goes_on)
    if warning is None:
        return some
    kept = _that_keep_outputs(net, some.found)
    return Repairs(in_order(kept), some.complete)


def _found(
    finder: _Finder,
    goes_on: Callable[[], bool] = lambda: True,
) -> Repairs:
    found: dict[str, Repair] = {}
    is_all = True
    for repair in finder.closing():
        if repair is not None:
            found.setdefault(repair.text, repair)
        if not goes_on():
            is_all = False
            break
    complete = is_all and not finder.bench.left_out
    return Repairs(in_order(list(found.values())), complete)


def count_repairs(net: Net, seconds: float) -> int | None:
    """The number of repairs of a network that does not close; None where finding them takes the processor longer."""
    end = time.process_time() + seconds
    if not _may_be_repaired(net):
        return 0

    found: dict[str, Repair] = {}
    finder = _Finder(_unrolled(net), list(net.network.outputs))
    for repair in finder.closing():
        if time.process_time() > end:
            return None
        if repair is not None:
            found.setdefault(repair.text, repair)
    return len(in_order(list(found.values())))


def _may_be_repaired(net: Net) -> bool:
    """Whether something is wrong, and a change of layers may take it away: a symbol without a size stays."""
    network = net.network
    known = network.defaults()
    has_sizes = all(symbol in known for symbol in network.symbols)
    return bool(network.source and has_sizes and faults_of(net))


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


class _Finder:
    """Tries the changes of one network's text."""

    def __init__(
        self,
        net: Net,
        outputs: Sequence[str],
        aim: Diagnostic | None = None,
    ) -> None:
        self.net = net
        self.outputs = outputs
        """The names of the outputs as the user knows them."""
        self.bench = Bench(net, aim)
        self.trace = net.trace()
        complete = None not in self.trace.by_index
        self.cost = total(costs(self.trace)) if complete else None
        program = net.read_from
        self.is_python = program is not None and bool(program.places)
        self.files = PythonFiles()
        self.partial: list[FirstChange] = []
        """Changes after which another fault is left."""
        self.given_up = 0
        """Changes after which the autos have too many values to search."""

    def closing(self) -> Iterator[Repair | None]:
        """What each candidate comes to: a repair, or nothing."""
        yield None
        is_found = is_enough = False
        declared = self.net.network.defaults()
        seen: set[str] = set()
        for candidate in filter(self._is_told, candidates(self.bench)):
            if candidate.key in seen:
                continue
            seen.add(candidate.key)
            for repair in self.tried(candidate):
                is_found |= repair is not None
                is_enough |= repair is not None and _is_enough(repair, declared)
                yield repair
        if is_enough:
            return
        if len(self.net.network.nodes) > MOST_NODES:
            self.bench.left_out = True
            return
        yield from self._together(seen, is_found)

    def _is_told(self, candidate: Candidate) -> bool:
        """Whether a change can be told of what the network was read from."""
        return not self.is_python or _is_of_values(candidate) or _is_join(candidate)

    def tried(self, candidate: Candidate) -> Iterator[Repair | None]:
        """The repairs, where the edited text closes: an edit of a line that makes several layers is one of them all."""
        wide = for_whole_lines(self.bench, candidate) if self.is_python else None
        of_line = None if wide is None else self._tried(wide)
        alone = self._tried(candidate)
        yield of_line
        if of_line is None or alone is None or of_line.changes.outputs != alone.changes.outputs:
            yield alone

    def _tried(self, candidate: Candidate) -> Repair | None:
        if self.given_up == GIVEN_UP and candidate.kind < Kind.SIZES:
            self.bench.left_out = True
            return None
        tried = self.bench.tried(candidate.edits)
        if tried is None:
            return None
        if any(found.code == "T006" for found in tried.net.trace().diagnostics):
            self.given_up = min(self.given_up + 1, GIVEN_UP)
            return None
        if not self.bench.reaches_aim(tried):
            self._note(candidate, tried)
            return None
        repair = self._repair(candidate, tried)
        return None if self.is_python and not repair.steps else repair

    def _note(self, candidate: Candidate, tried: Tried) -> None:
        """Keep a change that takes the first fault away and leaves another one behind it."""
        first = first_change(self.bench, candidate, tried)
        if first is not None:
            self.partial.append(first)

    def _together(self, seen: Set[str], is_found: bool) -> Iterator[Repair | None]:
        """Two changes, the second one of what the first leaves; ``seen`` are the keys of those tried alone.

        Beside repairs that were found they are slips, and what they make is not odd.
        """
        for pair in pairs(self.bench, self.partial, seen, self._is_told):
            is_slip = pair.candidate.oddness <= Oddness.NATURAL
            if is_slip or not is_found:
                yield self._repair(pair.candidate, pair.tried)

    def _repair(self, candidate: Candidate, tried: Tried) -> Repair:
        """What is told of a change that closes."""
        told = self._told(candidate, tried.net)
        edits = candidate.edits
        elsewhere = "" if told is None else told.elsewhere
        return Repair(
            title=candidate.title if told is None else told.title,
            safe=not elsewhere and all(map(self._is_safe, edits)),
            edits=list(map(_shown, edits)),
            changes=self._changes(edits, tried.net),
            text=tried.text,
            steps=[] if told is None else told.steps,
            source_edits=[] if told is None else told.source_edits,
            warnings=self._brings(tried),
            kind=candidate.kind,
            is_made_for=self._is_made_for(candidate),
            scale=scale_of(tried.net.trace()),
            reshapes=self._reshapes(tried.net),
            oddness=candidate.oddness,
            elsewhere=elsewhere,
            source_texts={} if told is None else told.texts,
        )

    def _is_made_for(self, candidate: Candidate) -> bool:
        """Whether a layer takes another width than its input has, and other input sizes alone give it that."""
        if candidate.kind != Kind.SIZES or self.bench.aim is not None:
            return False
        first = next(iter(self.bench.trace.diagnostics), None)
        return first is not None and first.code == "T204"

    def _brings(self, tried: Tried) -> list[str]:
        """The warnings of the edited network that are new, by their codes."""
        before = Counter((one.code, one.node) for one in self.bench.found)
        after = Counter((one.code, one.node) for one in tried.found)
        brought = after - before
        codes = [code for code, _ in brought.elements()]
        return sorted(code for code in codes if code in LINTS)

    def _reshapes(self, net: Net) -> bool:
        """Whether some layer has other parameters than it would have as it is, or one that has some is new."""
        names = self.net.network.names
        for applied in net.trace().applied():
            node = names.get(applied.node.name)
            if node is None:
                if applied.parameters:
                    return True
                continue

            before = self.bench.ops[node.index]
            # Behind the fault a layer's input is known from the repaired network alone.
            visit = self.trace.walk()[node.index]
            inputs = applied.inputs if visit.shape is None else visit.inputs
            if before is None:
                continue
            if before.parameters(*inputs) != applied.op.parameters(*applied.inputs):
                return True
        left_out = names.keys() - net.network.names.keys()
        found = costs(self.trace)
        return any(name in found and found[name].params for name in left_out)

    def _told(self, candidate: Candidate, net: Net) -> InPython | None:
        """The repair in the terms of the program that the network was read from; None for a config."""
        if self.is_python:
            return in_python(self.net, net, self.files)
        program = self.net.read_from
        return None if program is None else in_data(candidate, program, net)

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
        for node in self.net.network.nodes:
            for unknown in node.unknowns:
                if edit.path in _paths(node, unknown.field):
                    return True
        return False


def _is_enough(repair: Repair, declared: Mapping[str, int]) -> bool:
    """Whether no two changes are looked for beside it: no map is bent to fit, and a size is none of few rows alone."""
    for edit in repair.edits:
        size = declared.get(edit.path.removeprefix("sizes."))
        if size is not None and isinstance(edit.value, int) and 2 * edit.value < size:
            return False
    return repair.kind == Kind.SIZED or not BENT & set(repair.warnings)


def _is_of_values(candidate: Candidate) -> bool:
    """Whether a change gives arguments other values, and puts no layer in, takes none out and reads no other node."""
    return not any(
        isinstance(edit.value, dict)
        or edit.path[-1] == "from"
        or (edit.removes and edit.path[-1] != "scale_factor")
        for edit in candidate.edits
    )


def _is_join(candidate: Candidate) -> bool:
    """Whether a change joins a map to what one layer reads."""
    made = [edit.value for edit in candidate.edits if isinstance(edit.value, dict)]
    is_one = len(made) == 1 and len(candidate.edits) == 2
    return is_one and made[0].get("op") == "Concat"


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


def _paths(node: Node, field: str) -> list[Path]:
    """The places of an argument, and of the values in its list."""
    path = (*path_of(node, node.declaration), field)
    return [path, *((*path, axis) for axis in range(6))]


def _shown(edit: Edit) -> RepairEdit:
    """An edit as a repair lists it."""
    path = ".".join(map(str, edit.path))
    return RepairEdit(path, edit.value, edit.before, edit.after, edit.removes)


class Plan:
    """The answer of :func:`tracer.plan`: values for every ``auto``, or why there are none and what would help."""

    def __init__(
        self,
        net: Net,
        solution: Solution,
        diagnostics: list[Diagnostic],
        *,
        of_warnings: bool = False,
    ) -> None:
        self.net = net
        self.of_warnings = of_warnings
        """Whether a network that closes has repairs of its warnings."""
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
        if not self.feasible:
            return repairs(self.net)
        return repairs_of_warnings(self.net) if self.of_warnings else Repairs([], complete=True)

    @property
    def repairs(self) -> list[Repair]:
        """The repairs that make the network close, the least change first; each was loaded and traced again."""
        return self._searched.found

    @property
    def repairs_complete(self) -> bool:
        """False where changes were left out that take too long to try in this network."""
        return self._searched.complete

    def written(self) -> Written:
        """The config's text with the solved values in place of every ``auto``. Raises EditError."""
        return written_plan(self.net, self.ops)

    def __repr__(self) -> str:
        """``<Plan feasible: up4.output_padding (1, 0)>``."""
        if not self.feasible:
            codes = ", ".join(d.code for d in self.diagnostics)
            return f"<Plan not feasible: {shortened(codes)}>"
        values = ", ".join(f"{place} {value}" for place, value in self.assignments.items())
        return f"<Plan feasible: {legible(values) or 'nothing is open'}>"

    def _repr_html_(self) -> str | None:
        """The table that a notebook shows."""
        import tracer

        return tracer.html_of(self)

    def _repr_svg_(self) -> str | None:
        """The picture that a notebook shows; None where it is large."""
        import tracer

        return tracer.svg_of(self)

    def draw(self, *, depth: int | None = 1) -> Drawing:
        """The picture of the network, with what is wrong in red; blocks are unfolded to this depth."""
        import tracer

        return tracer.drawing_of(self, depth)


def plan_of(net: Net, *, of_warnings: bool = False) -> Plan:
    """The plan of a network, for every size that it promises; where it closes, with repairs of its warnings."""
    return Plan(net, net.solution(), faults_of(net), of_warnings=of_warnings)
