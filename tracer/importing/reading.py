"""A program's recordings as a loaded network, compared with the program at other sizes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, TracerError, legible
from tracer.importing import comparison
from tracer.importing.alignment import SizeOf
from tracer.importing.comparison import Answer, Judges, ProgramRun
from tracer.importing.left_out import LeftOut, is_left_out
from tracer.importing.params import PARAMS
from tracer.importing.part import up_to
from tracer.importing.paths import Refusal, Run, checks_of, one_of
from tracer.importing.recording import Recording, Step, Unrepresentable, refused_at
from tracer.importing.same_numbers import check_numbers
from tracer.importing.text import Config, arranged, config, written_config
from tracer.importing.widths import with_widths
from tracer.loading import load_text
from tracer.net import Net, ReadFrom, Unrolled
from tracer.network.part import layer_called
from tracer.ops.base import Shape
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.source.python_places import Place, Places


class ReadProgram(NamedTuple):
    """A program's network."""

    net: Net
    steps: dict[str, Step]
    """The steps of its nodes, by the nodes' names."""
    recording: Recording
    recorded: Recorded
    """More recordings of it, for sizes that are asked later."""
    unread: Sequence[Unrepresentable] = ()
    """What of the program was not read: the ways that huge sizes take, and those that it refuses."""
    params: Collection[str] = ()
    """The params of its text."""
    left_out: Sequence[LeftOut] = ()
    """The ways that it refuses, as they are not read."""

    def leaves_out(self, sizes: Mapping[str, int]) -> bool:
        """Whether its config refuses these sizes as they take a way that was not read."""
        return is_left_out(self.left_out, {**self.recording.symbols, **sizes})

    def up_to(self, name: str, notes: Sequence[str] = ()) -> ReadProgram:
        """The part of it up to a node. Raises ValueError where no layer has the name."""
        network = self.net.network
        step = self.steps.get(name) or self.steps[layer_called(network, name).name]
        part = up_to(self.recording, step)
        written, net = _written(part, network.name or "network", network.path, notes)
        steps = _by_node(part, written.names)
        return self._replace(net=net, steps=steps, recording=part, params=written.params)

    def noted(self, notes: Sequence[str]) -> ReadProgram:
        """The same network, with other notes at the beginning of its text."""
        network = self.net.network
        told = [*notes, *map(str, self.unread)]
        title = network.name or "network"
        written = config(self.recording, title, told, params=self.params)
        return self._replace(net=load_text(written.text, network.path, {}))

    def placed(self, read_from: ReadFrom) -> ReadFrom:
        """The program with the places of the nodes, and of those of the same network without blocks.

        There each step has a line of its own, and each layer its widths.
        """
        title = self.net.network.name or "network"
        places = self.recording.places()
        alone = self.recording.by_itself()

        def write() -> tuple[str, Places]:
            written = config(with_widths(alone), title, in_blocks=False)
            return written.text, _named(places, _by_node(alone, written.names))

        return replace(read_from, places=_named(places, self.steps), unrolled=Unrolled(write))


def _named(places: Places, steps: Mapping[str, Step]) -> dict[str, Place]:
    """The places of steps by the names of their nodes."""
    return {name: places[step.name] for name, step in steps.items() if step.name in places}


Again = Callable[[SizeOf], Recording | None]
"""Gives a recording at some sizes, or nothing where it is not known what it would be."""


def _is_unknown(sizes: SizeOf) -> Recording | None:
    """Nothing is known before the program is recorded."""
    return None


def _by_node(recording: Recording, names: Mapping[str, str]) -> dict[str, Step]:
    """The steps by the names of their nodes."""
    return {names[step.name]: step for step in recording.steps}


def network_of(
    run: Run,
    title: str,
    path: str,
    unseen: str = "",
    program: ProgramRun | None = None,
    notes: Sequence[str] = (),
    in_part: bool = False,
    again: Again = _is_unknown,
) -> ReadProgram:
    """The network of a program; ``path`` is its file's in diagnostics.

    It is compared with the ``program`` itself, or with more recordings where that cannot be run. ``unseen`` ends the
    message about a size that escapes from the recording, with the ways in which it may. ``notes`` stand at the
    beginning of its text. With ``in_part`` it may be for the sizes of some of its ways, which is told there. ``again``
    gives what a recording would be, where that is known without one.

    Raises :class:`Unrepresentable` where no config says what the program does, for every size.
    """
    merged = one_of(run, in_part)
    recording, refused, demanded = merged.recording, merged.refused, merged.demanded
    recording.get_a_layer()
    left_out = list(merged.left_out)
    unread = [*merged.unread, *(one.why for one in left_out)]
    notes = [*notes, *map(str, unread)]
    try:
        written, net = _written(recording, title, path, notes)

        # The config refuses by an operation what the program refuses by itself, or has to be made to.
        taken = [one for one in refused if _taken(net, one)]
        unsaid = [one for one in taken if not one.by_operation]
        not_read = [one.unread for one in taken if one.by_operation and one.unread]
        left_out += not_read
        unread += [one.why for one in not_read]
        notes = [*notes, *(str(one.why) for one in not_read)]
        # Each stands before what was there: the first one last.
        checks = checks_of(recording, unsaid, demanded, left_out)
        for check in reversed(checks):
            recording.require(check.sizes, check.reason, unread=check.unread)
        if checks:
            written, net = _written(recording, title, path, notes)

        _check_refusals(net, refused)
        _check_failing(net, merged.failing)
        recorded = Recorded(run, recording, unseen)
        before = comparison.Recordings(merged.others, merged.decided)
        known = Recorded(again, recording, unseen)
        judges = Judges(recorded, program, left_out, known)
        comparison.compare(net, recording, before, judges, unseen)
    except TracerError as error:
        raise _no_config(error.diagnostics[0], merged.recording) from error
    except TooLarge as error:
        raise Unrepresentable(str(error)) from error

    steps = _by_node(recording, written.names)
    return ReadProgram(net, steps, recording, recorded, unread, written.params, left_out)


MANY = 5
"""So many decisions at one line are what makes an expression too long."""


def _no_config(fault: Diagnostic, recording: Recording) -> Unrepresentable:
    """The error that what comes out is none, at the line that decides for too many sizes by itself."""
    why = f"what comes out is no config: {legible(fault.message)}"
    spots = {guard.spot.text: guard.spot for guard in recording.guards.made}
    places = Counter(guard.spot.text for guard in recording.guards.made)
    for place, times in places.most_common(1):
        if times >= MANY:
            return refused_at(spots[place], f"another way for each of too many sizes; {why}")
    return Unrepresentable(why)


# --- the text --------------------------------------------------------------------------------------------------------


def _written(
    recording: Recording,
    title: str,
    path: str,
    notes: Sequence[str],
) -> tuple[Config, Net]:
    """The config of a recording with those params that take other values, and its network."""
    plain: Net | None = None
    params: Collection[str] = PARAMS
    order = arranged(recording)
    while True:
        written = written_config(order, title, notes, params)
        if not written.params:
            return written, plain or load_text(written.text, path, {})

        if plain is None:
            without = written_config(order, title, notes, ())
            plain = load_text(without.text, path, {})
        net = _loaded(written, path, {})
        if net is None or not _is_same(net, plain):
            params = ()
            continue

        failing = list(_failing_params(written, path))
        if not failing:
            return written, net
        params = [name for name in written.params if name not in failing]


def _failing_params(written: Config, path: str) -> Iterator[str]:
    """The params of a config that cannot be twice or half of what they are."""
    for name, n in written.params.items():
        others = [_loaded(written, path, {name: value}) for value in (2 * n, n // 2)]
        if not all(map(_runs, others)):
            yield name


def _loaded(written: Config, path: str, params: Mapping[str, int]) -> Net | None:
    """The network of a config with other params; None where it is none."""
    try:
        return load_text(written.text, path, params)
    except TracerError:
        return None


def _runs(net: Net | None) -> bool:
    return net is not None and not any(
        found.severity == "error" for found in net.trace().diagnostics
    )


def _is_same(a: Net, b: Net) -> bool:
    """True where two networks have the same operations."""
    mine, theirs = a.network.nodes, b.network.nodes
    return [(node.name, node.op) for node in mine] == [(node.name, node.op) for node in theirs]


# --- what is compared ------------------------------------------------------------------------------------------------


def _taken(net: Net, refusal: Refusal) -> SizeSet:
    """The sizes that the program refuses and the network takes."""
    axis = net.working_sizes().axes[refusal.symbol]
    return axis.runs & refusal.sizes


def _check_refusals(net: Net, refused: Sequence[Refusal]) -> None:
    """Raise :class:`Unrepresentable` where the network takes a size that the program refuses."""
    for refusal in refused:
        taken = _taken(net, refusal)
        if taken:
            at = f"{refusal.symbol} = {taken.least}"
            raise refusal.refused(f"{refusal.message}; for {at} no config can say that")


def _check_failing(net: Net, failing: Sequence[SizeOf]) -> None:
    """Raise :class:`Unrepresentable` where the network takes sizes at which an operation of the program fails."""
    for sizes in failing:
        if not net.trace(**sizes).diagnostics:
            at = " and ".join(f"{symbol} = {n}" for symbol, n in sizes.items())
            raise Unrepresentable(f"the program fails for {at}, and its config would not")


class Recorded:
    """A program as its recordings know it: its shapes, and the numbers of its steps."""

    def __init__(self, run: Again, recording: Recording, unseen: str) -> None:
        self.run = run
        self.recording = recording
        self.unseen = unseen

    def answer(self, shapes: Sequence[Shape]) -> Answer | None:
        """The shapes of its outputs for inputs of these shapes. Raises where a step has another number."""
        sizes: dict[str, int] = {}
        for value, shape in zip(self.recording.inputs.values(), shapes):
            named = zip(map(str, value.sizes), shape)
            sizes |= {name: n for name, n in named if name in self.recording.symbols}
        try:
            found = self.run(sizes)
        except Unrepresentable as refused:
            return Answer(None, str(refused))
        if found is None:
            return None
        check_numbers(self.recording, found, self.unseen)
        return Answer({name: value.shape for name, value in found.outputs.items()})

    def sure_answer(
        self, shapes: Sequence[Shape], *, at_any_cost: bool = False
    ) -> Answer | None:
        """The same."""
        return self.answer(shapes)
