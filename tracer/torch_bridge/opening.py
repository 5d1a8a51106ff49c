"""A torch module as a network at the size that is asked for, also where it does not run there.

Then it is read at sizes near that run, and the asked ones are declared in what is read: its findings are those of the
module, each at the user's own line.
"""

from __future__ import annotations

import inspect
import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, Related, TracerError
from tracer.importing.recording import NoSuchPart, Unrepresentable
from tracer.loading import load_text
from tracer.net import Net, ReadFrom
from tracer.network.values import did_you_mean
from tracer.ops.base import Shape, written
from tracer.source.edits import Edit, edited
from tracer.source.python_places import Line, Origin, Place, Places
from tracer.source.written import EditError
from tracer.torch_bridge.fitted_layers import (
    FittedLayer,
    declared_values,
    made_to_fit,
    unfitting,
)
from tracer.torch_bridge.forward import PLAIN, Way
from tracer.torch_bridge.importing import SECONDS as WAYS
from tracer.torch_bridge.importing import Imported, read_at
from tracer.torch_bridge.places import definition_of, is_own
from tracer.torch_bridge.real_runs import RealModule
from tracer.torch_bridge.scripted import in_python
from tracer.torch_bridge.surroundings import surroundings_kept
from tracer.torch_bridge.time_limit import TooSlow
from tracer.torch_bridge.trials import Progress, Trials
from tracer.torch_bridge.ways_out import SECONDS as WAYS_OUT
from tracer.torch_bridge.ways_out import way_out

SECONDS = 20.0
"""For so long sizes are tried, unless told otherwise."""

READ = 3
"""At so many of the sizes that run it is tried to read a module."""

SLIPS = ("AttributeError", "NameError", "TypeError", "UnboundLocalError", "ImportError")
"""Errors that are the program's own slips, as a rule: other sizes change nothing."""

SLIP_SECONDS = 2.0
"""For so long sizes are tried all the same."""

AGAIN = 10
"""The processor's seconds for all of them, where the importer has no words for the asked sizes."""


class Question(NamedTuple):
    """What is asked of a module."""

    source: str
    """How the user names it."""
    shapes: Sequence[Shape]
    way: Way = Way()
    seconds: float = SECONDS
    plan: str | None = None
    """The command that lists repairs."""
    parameters: tuple[str, ...] = ()
    """The names under which the forward takes the inputs."""
    name: str | None = None
    fixed: bool = False
    how: str | None = None
    """How the user says the inputs' shapes."""
    others: Sequence[Sequence[Shape]] = ()
    """Shapes at which it is tried to be read next, where it cannot be read at those."""
    lines: Mapping[str, Line] = {}
    """Lines of a file that name the module and its parts, by their paths: for what installed packages compute."""

    def place_of(self, origin: Origin) -> Place:
        """A place as the user sees it."""
        return self.own(origin.place())

    def own(self, place: Place) -> Place:
        """A place in an installed package, at the line of the user's file that names its code."""
        if place.line is None or is_own(os.path.abspath(place.line.path)):
            return place

        words = (place.module or "").split(".")
        around = [".".join(words[:count]) for count in range(len(words), -1, -1)]
        line = next((self.lines[path] for path in around if path in self.lines), None)
        return (
            place if line is None else replace(place, line=line, inner=place.line, callers=())
        )

    def own_places(self, places: Places) -> Places:
        """The same of each."""
        return {name: self.own(place) for name, place in places.items()}


class NotRead(TracerError, Unrepresentable):
    """A module cannot be read, with the findings that say why; as the refusal that it is, it can be caught too."""


class RunsNowhere(NotRead):
    """A module runs at none of the sizes that were tried."""

    def __init__(self, found: list[Diagnostic], trials: Trials) -> None:
        super().__init__(found)
        self.trials = trials

    def fitting(self, asked: Question) -> tuple[Sequence[FittedLayer], Sequence[Shape]]:
        """The layers that would have to fit their input for it to run, and where it does then; none: no layers."""
        sizes = [asked.shapes, *self.trials.tried]
        for ups, shapes in itertools.product((False, True), sizes):
            layers = unfitting(self.trials.program, shapes, ups=ups)
            if layers:
                return layers, shapes
            if self.trials.took > self.trials.seconds:
                break
        return [], asked.shapes


class SeveralSizes(Unrepresentable):
    """One symbol would need two sizes."""


class Opened(NamedTuple):
    """A module's network."""

    imported: Imported
    read_at: Sequence[Shape] | None
    """The shapes at which it was read, where they are not those that were asked for."""
    tried: int
    """The number of sizes that were tried."""

    @property
    def net(self) -> Net:
        """The network for the shapes that were asked for."""
        return self.imported.net


def open_module(
    module: torch.nn.Module, asked: Question, progress: Progress | None = None
) -> Opened:
    """The network of a module for the shapes that are asked for.

    Raises :class:`NotRead` with findings at the user's lines: what has no place in a config (T601), and, where the
    module runs at no size that was tried, what it raises at the asked one. Raises :class:`NoSuchPart` for a part that
    it is read up to and does not have.
    """
    module = in_python(module)
    asked = asked._replace(parameters=_parameters(module, asked))
    until = asked.way.until
    parts = [name for name, _ in module.named_modules() if name]
    if until is None or until in parts:
        return _opened(module, asked, None, progress)

    # It may be a node, which is known when all is read.
    whole = asked._replace(way=asked.way._replace(until=None))
    try:
        return _opened(module, whole, until, progress)
    except NotRead:
        hint = did_you_mean(until, parts) or "its modules: " + ", ".join(parts[:8])
        message = f"{type(module).__name__} has no module {until!r}; {hint}"
        raise NoSuchPart(
            f"{message}; its nodes are not known, as it cannot be read whole"
        ) from None


def _opened(
    module: torch.nn.Module,
    asked: Question,
    node: str | None,
    progress: Progress | None,
    *,
    must_run: bool = False,
) -> Opened:
    """The network of a module, up to a node of it where one is named.

    With ``must_run`` the module has to run at the asked shapes.
    """
    with surroundings_kept(module):
        try:
            return _with_other_sizes(module, asked, node, progress, must_run=must_run)
        except RunsNowhere as nowhere:
            return _read_with_fitting_layers(module, asked, node, nowhere)


def _with_other_sizes(
    module: torch.nn.Module,
    asked: Question,
    node: str | None,
    progress: Progress | None,
    *,
    must_run: bool = False,
) -> Opened:
    """The same, read at the asked sizes or at others."""
    try:
        found = _read(module, asked, asked.shapes)
        here = Opened(_named(_up_to(found, node, module), asked), None, 0)
    except Unrepresentable as error:
        if must_run and not _is_importers(error):
            raise NotRead([finding(error, asked)]) from error
        return _read_elsewhere(module, asked, node, error, progress)
    if found.is_whole:
        return here

    # Read at others, it may be one network for all sizes.
    why = found.program.left_out[0].why
    try:
        return _read_elsewhere(module, asked, node, why, progress)
    except NotRead:
        return here


def net_of(module: torch.nn.Module, asked: Question) -> Net:
    """The network of a module that runs at the shapes that are asked for. Raises as :func:`open_module` does."""
    return imported(module, asked).net


def imported(module: torch.nn.Module, asked: Question) -> Imported:
    """The same, with where its weights are."""
    module = in_python(module)
    asked = asked._replace(parameters=_parameters(module, asked))
    return _opened(module, asked, None, None, must_run=True).imported


def read_module(
    module: torch.nn.Module,
    *shapes: Sequence[int],
    name: str | None = None,
    fixed: bool = False,
    way: Way = PLAIN,
) -> Imported:
    """The network of a module for inputs of these shapes, as ``tracer.from_module`` reads it, and its weights.

    Raises :class:`NotRead` where it cannot be represented.
    """
    given = [tuple(shape) for shape in shapes]
    kind = name or type(module).__name__
    return imported(module, Question(kind, given, way, name=name, fixed=fixed))


def _read_elsewhere(
    module: torch.nn.Module,
    asked: Question,
    node: str | None,
    first: Unrepresentable,
    progress: Progress | None,
) -> Opened:
    """The network of a module that could not be read at the shapes that are asked for, read at others."""
    if asked.fixed or isinstance(first, TooSlow):
        raise NotRead([finding(first, asked)]) from None

    program = RealModule(module, asked.way)
    is_importers = _is_importers(first)
    slip = first if is_importers or _is_slip(first) else _slip_at_round_sizes(module, asked)
    trials = Trials(
        program,
        asked.shapes,
        _seconds_of_trials(slip or first, asked),
        progress,
        asked.others,
        round_first=is_importers,
    )
    refused: list[Unrepresentable] = []
    begun = time.process_time()
    for shapes in trials.running():
        try:
            read = _read(module, asked, shapes, _time_left(begun, first))
            whole = _declared(read, read, asked)
            _check_read(read, asked, is_importers)
        except SeveralSizes as error:
            found_here = finding(first, asked)
            raise NotRead(
                [replace(found_here, notes=(*found_here.notes, str(error)))]
            ) from None
        except Unrepresentable as error:
            refused.append(error)
            if len(refused) == READ:
                break
            continue
        if _agrees(whole, program, first, asked):
            part = _declared(read, _up_to(read, node, module), asked)
            return Opened(part, shapes, len(trials.tried))
        break

    if is_importers:
        raise NotRead([_with_a_way_out(first, module, asked)])
    raise _not_read(slip or first, refused, asked, trials)


def _slip_at_round_sizes(module: torch.nn.Module, asked: Question) -> Unrepresentable | None:
    """A slip of the program behind what its sizes keep it from reaching: where they are round it goes further."""
    program = RealModule(module, asked.way)
    shapes = next(Trials(program, asked.shapes, 0, round_first=True).candidates(), None)
    if shapes is None or program.answer_without_data(shapes).shapes is not None:
        return None
    try:
        _read(module, asked, shapes)
    except Unrepresentable as error:
        return error if _is_slip(error) else None
    return None


def _not_read(
    first: Unrepresentable, refused: Sequence[Unrepresentable], asked: Question, trials: Trials
) -> NotRead:
    """The error for a module that was read at no size; ``refused`` says why at those where it runs."""
    if not refused:
        return RunsNowhere([_runs_nowhere(first, asked, trials)], trials)

    # What runs without data may be refused by its operations all the same.
    found = [finding(refused[0], asked)]
    is_operations = all(one.by_operation for one in refused)
    return RunsNowhere(found, trials) if is_operations else NotRead(found)


def _read_with_fitting_layers(
    module: torch.nn.Module, asked: Question, node: str | None, nowhere: RunsNowhere
) -> Opened:
    """The network of a module that runs at no size, as some layers do not fit what they get or meet.

    Raises the error that says so where there are no such layers, and where it cannot be read with layers that fit.
    """
    layers, shapes = nowhere.fitting(asked)
    if not layers:
        raise nowhere
    try:
        with made_to_fit(layers):
            found = _with_other_sizes(module, asked._replace(others=[shapes]), node, None)
        return found._replace(imported=_with_declared_values(found.imported, module, layers))
    except (Unrepresentable, TracerError, EditError):
        raise nowhere from None


def _with_declared_values(
    found: Imported, module: torch.nn.Module, layers: Sequence[FittedLayer]
) -> Imported:
    """What was read, each layer with the values that it was made with."""
    net = found.net
    program = net.read_from
    assert program is not None and program.unrolled is not None

    # In a block one text may stand for layers that fit and for others.
    text, places = program.unrolled.text, program.unrolled.places
    alone = replace(program, places=places, unrolled=None)
    path, sizes = net.network.path, net.network.defaults()
    plain = load_text(text, path, {}, read_from=alone)
    edits = [*_sizes_written(sizes), *declared_values(plain, module, layers)]
    again = edited(text, edits)
    unrolled = load_text(again, path, {}, allow_argument_errors=True, read_from=alone)
    return found._replace(net=unrolled)


def _sizes_written(sizes: Mapping[str, int]) -> list[Edit]:
    return [Edit(("sizes", symbol), n) for symbol, n in sizes.items()]


def _is_slip(refused: Unrepresentable) -> bool:
    """Whether the program raised an error that has nothing to do with sizes, as a rule."""
    return refused.fault is not None and refused.fault.raises in SLIPS


def _seconds_of_trials(first: Unrepresentable, asked: Question) -> float:
    """For so long sizes are tried, where the asked ones gave this error."""
    return min(SLIP_SECONDS, asked.seconds) if _is_slip(first) else asked.seconds


def _check_read(found: Imported, asked: Question, is_importers: bool) -> None:
    """Raise where a module that is read at other sizes takes a way that is not read at the asked ones.

    Where it is the importer that cannot read it there, no way of it may be left out.
    """
    if found.is_whole:
        return
    sizes = _symbols_of(found.net, asked.shapes)
    if is_importers or found.program.leaves_out(sizes):
        raise found.program.left_out[0].why


def _time_left(begun: float, first: Unrepresentable) -> float:
    """The processor's seconds for other sizes since they were begun with, after the first refusal."""
    seconds = AGAIN if _is_importers(first) else WAYS
    return max(seconds + begun - time.process_time(), 0)


def _with_a_way_out(
    refused: Unrepresentable, module: torch.nn.Module, asked: Question
) -> Diagnostic:
    """What has no place in a config, with what can be read instead."""

    def is_readable(way: Way, fixed: bool) -> bool:
        tried = asked._replace(way=way, fixed=fixed)
        try:
            return _read(module, tried, asked.shapes, WAYS_OUT).is_whole
        except Unrepresentable:
            return False

    hint = way_out(module, asked.shapes, asked.way, is_readable)
    return replace(finding(refused, asked), hint=hint)


def _up_to(found: Imported, node: str | None, module: torch.nn.Module) -> Imported:
    """A module that was read, up to a node where one is named. Raises :class:`NoSuchPart` where it has none."""
    if node is None:
        return found
    try:
        return found.up_to(node)
    except ValueError:
        parts = [name for name, _ in module.named_modules() if name]
        hint = did_you_mean(node, [*parts, *found.net.network.names])
        kind = type(module).__name__
        message = f"{kind} has no module and no node {node!r}"
        raise NoSuchPart(f"{message}; {hint}" if hint else message) from None


def _parameters(module: torch.nn.Module, asked: Question) -> tuple[str, ...]:
    """The names under which the forward takes the inputs; none where they are not known.

    Raises :class:`NotRead` where it does not take as many, or not under these names.
    """
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):
        return ()
    numbers = range(len(asked.shapes))
    args, kwargs = asked.way.called_with(list(numbers))
    try:
        given = signature.bind(*args, **kwargs).arguments
        return tuple(map(dict(_numbered(given)).__getitem__, numbers))
    except TypeError as error:
        why = str(error)

    takes = [
        name for name, one in signature.parameters.items() if one.kind is not one.VAR_KEYWORD
    ]
    listed = ", ".join(takes) or "nothing"
    message = f"its forward takes {listed}: {why}"
    place = definition_of(module)
    found = Diagnostic("T602", message, path=asked.source, hint=asked.how)
    if place is not None:
        found = replace(found, path=place.path, span=place.span)
    raise NotRead([found])


def _numbered(given: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The number of each input with the name that it has in a forward: ``image``, ``maps[1]`` of ``*maps``."""
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _numbered(value)
        elif isinstance(value, (list, tuple)):
            parts = {f"{name}[{place}]": part for place, part in enumerate(value)}
            yield from _numbered(parts)
        else:
            yield value, name


def _read(
    module: torch.nn.Module,
    asked: Question,
    shapes: Sequence[Shape],
    seconds: float = WAYS,
) -> Imported:
    return read_at(
        module,
        *shapes,
        name=asked.name,
        fixed=asked.fixed,
        way=asked.way,
        source=asked.source,
        seconds=seconds,
    )


def _is_importers(refused: Unrepresentable) -> bool:
    """Whether it is the importer that cannot say what the module does, rather than the module that refuses."""
    return not refused.by_operation and not refused.by_program


def _agrees(
    found: Imported, program: RealModule, first: Unrepresentable, asked: Question
) -> bool:
    """Whether the network says of the asked sizes what the module itself does there."""
    trace = found.net.trace()
    refuses = bool(trace.diagnostics)
    if not _is_importers(first):
        return refuses

    answer = program.answer(asked.shapes)
    if answer is None or answer.shapes is None or refuses:
        return answer is None or (answer.shapes is None) == refuses
    given = set(trace.outputs.values())
    return given <= set(answer.shapes.values()) and _has_its_numbers(found, asked)


def _has_its_numbers(found: Imported, asked: Question) -> bool:
    """Whether the steps are those that the module makes at the asked sizes alone."""
    try:
        answer = found.program.recorded.answer(asked.shapes)
    except Unrepresentable:
        return False
    return answer is not None and answer.shapes is not None


def _named(found: Imported, asked: Question) -> Imported:
    return found._replace(net=found.net.reading_of(_program(found, asked)))


def _program(found: Imported, asked: Question) -> ReadFrom:
    """The program that was read, as the user names it."""
    program = found.net.read_from
    assert program is not None
    warnings = tuple(_warnings(found, asked))
    unrolled = program.unrolled and program.unrolled.seen_by(asked.own_places)
    return replace(
        program,
        places=asked.own_places(program.places),
        unrolled=unrolled,
        source=asked.source,
        plan=asked.plan,
        warnings=warnings,
        parameters=asked.parameters,
    )


def _warnings(found: Imported, asked: Question) -> Iterator[Diagnostic]:
    """What was not read: other sizes of a first dim that had to be fixed, and ways that huge sizes take."""
    for unread in found.program.unread:
        way = finding(unread, asked)
        yield replace(way, code="T604", severity="warning", notes=())
    if found.refused is None:
        return
    why = finding(found.refused, asked)
    message = f"the first dim is fixed: with an open one, {why.message}"
    hint = f"what is said of other sizes is said for a first dim of {asked.shapes[0][0]}"
    yield replace(why, code="T604", message=message, severity="warning", hint=hint, notes=())


def _declared(whole: Imported, part: Imported, asked: Question) -> Imported:
    """A module or a part of it with the asked sizes declared in its network's text."""
    net = part.net
    sizes = _symbols_of(whole.net, asked.shapes)
    known = {symbol: n for symbol, n in sizes.items() if symbol in net.symbols}
    text = edited(net.to_yaml(), _sizes_written(known))
    declared = load_text(text, net.network.path, {}, read_from=_program(part, asked))
    return part._replace(net=declared)


def _symbols_of(net: Net, shapes: Sequence[Shape]) -> Mapping[str, int]:
    """The sizes of the symbols for inputs of these shapes."""
    found: dict[str, int] = {}
    inputs = [node for node in net.network.nodes if node.is_input]
    for node, shape in zip(inputs, shapes):
        for dim, n in zip(node.pattern, shape):
            if isinstance(dim, str) and found.setdefault(dim, n) != n:
                raise SeveralSizes(
                    f"{dim} is {found[dim]} and {n}; where the module runs, the two are one size"
                )
    return found


# --- findings --------------------------------------------------------------------------------------------------------


def finding(refused: Unrepresentable, asked: Question) -> Diagnostic:
    """A refusal as a finding at the user's line."""
    fault = refused.fault
    if fault is None:
        code = "T602" if refused.by_program else "T601"
        return Diagnostic(code, str(refused), path=asked.source)

    place = None if fault.origin is None else asked.place_of(fault.origin)
    if place is None or place.line is None:
        return Diagnostic(fault.code, fault.message, path=asked.source)

    within = f"{place.module}: " if place.module else ""
    return Diagnostic(
        fault.code,
        f"{within}{fault.message}",
        place.line.span,
        path=place.line.path,
        related=tuple(_related(place)),
        module=place.module or None,
    )


def _related(place: Place) -> Iterator[Related]:
    """The lines that led to a place."""
    if place.made is not None:
        yield Related(f"{place.module} is made here", place.made.span, place.made.path)
    if place.inner is not None:
        yield Related("computed here", place.inner.span, place.inner.path)
    for caller in place.callers:
        yield Related("called from here", caller.span, caller.path)


def _runs_nowhere(first: Unrepresentable, asked: Question, trials: Trials) -> Diagnostic:
    """The finding at the asked size, with what was tried."""
    found = finding(first, asked)
    if _is_slip(first):
        return found
    if not trials.tried:
        note = "no other size was tried"
    else:
        ends = [
            " and ".join(map(written, shapes)) for shapes in (trials.tried[0], trials.tried[-1])
        ]
        note = f"it runs at none of the {len(trials.tried)} sizes that were tried, from {ends[0]} to {ends[1]}"
    return replace(found, notes=(*found.notes, note))
