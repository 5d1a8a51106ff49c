"""A torch module as a config.

Its forward is run on tensors without data and recorded (:mod:`tracer.torch_bridge.forward`). Where it decides by a
size, it is run again for sizes that decide otherwise, and the runs are made one (:mod:`tracer.importing.paths`). What
has no place in a config is named with its line; nothing is guessed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from tracer.diagnostics import legible, words_of
from tracer.importing.comparison import DecidesUnseen
from tracer.importing.reading import ReadProgram, network_of
from tracer.importing.recording import Late, Reason, Recording, Step, Unrepresentable
from tracer.importing.sharing import used_twice
from tracer.net import Net, ReadFrom
from tracer.ops.base import written
from tracer.sizing.symbol import Condition, Space
from tracer.torch_bridge.building import module_path
from tracer.torch_bridge.built_weights import weights_built
from tracer.torch_bridge.copies import Restored, copy_of, shared
from tracer.torch_bridge.counting import count_that_differs
from tracer.torch_bridge.followed_calls import calls_caught
from tracer.torch_bridge.forward import (
    PLAIN,
    Forward,
    OpenDims,
    Recordable,
    Way,
    all_batch_dims,
    batch_and_others,
    computes_weights,
    no_dims,
    sequence_dims,
    spatial_dims,
)
from tracer.torch_bridge.in_training import other_in_training
from tracer.torch_bridge.known_calls import KnownCalls, Retelling
from tracer.torch_bridge.places import gone_through, raised, users_code
from tracer.torch_bridge.real_runs import RealModule
from tracer.torch_bridge.replay import Replay
from tracer.torch_bridge.scripted import in_python
from tracer.torch_bridge.sequences import are_sequences
from tracer.torch_bridge.tape import Tape

FIXED = "the first dim is fixed: with an open one, "
"""The beginning of what is said of a batch that could not be open, before the reason."""

SECONDS = 20
"""The processor's time in which a module is read at sizes that take other ways."""

UNSEEN = ", through int(), range() or a cache"
"""The ways in which Python takes a size out of sight."""

__all__ = ["Imported", "Unrepresentable", "read_at"]


class Imported(NamedTuple):
    """A module's network, and where its weights are."""

    net: Net
    steps: dict[str, Step]
    """The steps that have weights, by their node's name."""
    program: ReadProgram
    notes: Sequence[str] = ()
    """What its text says at its beginning."""
    refused: Unrepresentable | None = None
    """What keeps its first dim from being open, where that is fixed."""

    @property
    def is_whole(self) -> bool:
        """Whether all of its ways are read, but for those of huge sizes."""
        return not self.program.left_out

    def up_to(self, name: str) -> Imported:
        """The part of it up to a node of its network. Raises ValueError where no layer has the name."""
        part = _imported(self.program.up_to(name, self.notes), self.net.read_from, self.notes)
        return part._replace(refused=self.refused)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The module's weights under the names of ``tracer.build(net)``."""
        return {path: weight.detach() for path, weight in self.weights().items()}

    def weights(self) -> dict[str, torch.Tensor]:
        """The same, each the module's own object."""
        found: dict[str, torch.Tensor] = {}
        for name, step in self.steps.items():
            path = module_path(name)
            assert step.weights is not None
            owner = step.weights.owner
            if isinstance(owner, torch.Tensor):
                found[path] = owner
                continue
            weights = owner if isinstance(owner, dict) else _weights(owner)
            for word, weight in weights.items():
                if weight is not None:
                    found[f"{path}.{word}"] = weight
        return found


def _weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A module's weights as it uses them: what torch computes from others (weight_norm, spectral_norm) is computed."""
    found = {}
    for word, weight in module.state_dict(keep_vars=True).items():
        if not word.startswith("parametrizations."):
            found[word] = weight

    computed = [*getattr(module, "parametrizations", {})]
    for hook in module._forward_pre_hooks.values():
        name = getattr(hook, "name", "")
        found = {w: v for w, v in found.items() if not (name and w.startswith(f"{name}_"))}
        computed += [name] if name else []
    return found | (_computed(module, computed) if computed else {})


def _computed(module: torch.nn.Module, words: Sequence[str]) -> dict[str, torch.Tensor]:
    """What torch computes of a module's weights for a call in eval mode, by words. The module is left as it is."""
    copied = copy_of(module, shared)
    part = copied.module.eval()
    with torch.no_grad(), Restored(copied.tensors):
        for hook in part._forward_pre_hooks.values():
            if computes_weights(hook):
                hook(part, ())
        return {word: getattr(part, word) for word in words}


class Budget:
    """The processor's time for one module: its ways at other sizes may be without end."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun = time.process_time()

    def check(self) -> None:
        """Raise :class:`Unrepresentable` where it is spent."""
        if time.process_time() - self.begun > self.seconds:
            raise Late(
                "its forward goes other ways for other sizes, and they were not all read "
                f"within {self.seconds:g} seconds"
            )


def read_at(
    module: torch.nn.Module,
    *shapes: Sequence[int],
    name: str | None = None,
    fixed: bool = False,
    way: Way = PLAIN,
    source: str | None = None,
    seconds: float = SECONDS,
) -> Imported:
    """The network of a module, read for inputs of these shapes; its batch and its spatial dims become symbols.

    With ``fixed`` they stay numbers, and the config says nothing of other sizes. ``way`` says how it is run, ``source``
    how the user named it, and ``seconds`` how long other sizes may take. The module is left as it is: copies of it run.
    Raises :class:`Unrepresentable` where something cannot be represented.
    """
    module = in_python(module)
    recorded = Recordable(module, way)
    read = partial(_read, recorded, shapes, name, source, Budget(seconds))
    with calls_caught():
        if fixed:
            return read(no_dims)
        if way.symbols is not None:
            return read(way.symbols_of)
        return _read_with_open_dims(recorded, shapes, read)


def _read_with_open_dims(
    recorded: Recordable, shapes: Sequence[Sequence[int]], read: Callable[..., Imported]
) -> Imported:
    """The network of a module with as many open dims as it can have."""
    program = RealModule(recorded.module, recorded.way)
    space_of = sequence_dims if are_sequences(program, shapes) else spatial_dims
    refusals: list[Unrepresentable] = []
    in_part: list[Imported] = []
    for open_dims in _open_dims(shapes, space_of):
        # A batch of one may be squeezed.
        is_last = open_dims is space_of
        notes = [FIXED + legible(str(refusals[-1]))] if is_last else []
        try:
            found = read(open_dims, notes)
        except Unrepresentable as refused:
            refusals.append(refused)
            continue
        if is_last:
            found = found._replace(refused=refusals[-1])
        if found.is_whole:
            return found
        in_part.append(found)
        refusals.append(found.program.left_out[0].why)

    # With an open batch rather, where both are for some sizes alone.
    if in_part:
        return in_part[0]
    # What is refused of a fixed batch too is what counts.
    raise refusals[-1]


def _open_dims(shapes: Sequence[Sequence[int]], space_of: OpenDims) -> Iterator[OpenDims]:
    """What may be open of inputs of these shapes, the most first."""
    with_batch = partial(batch_and_others, space_of)
    batch = shapes[0][0] if shapes and len(shapes[0]) > 1 else None
    if batch is not None and any(tuple(shape) == (batch,) for shape in shapes):
        yield partial(all_batch_dims, batch, with_batch)
    yield with_batch
    yield space_of


def _read(
    recorded: Recordable,
    shapes: Sequence[Sequence[int]],
    name: str | None,
    source: str | None,
    budget: Budget,
    open_dims: OpenDims,
    notes: Sequence[str] = (),
) -> Imported:
    module, way = recorded.module, recorded.way
    runs = RecordedRuns(recorded, shapes, open_dims, budget)
    title = name or type(module).__name__
    path = source or "<module>"
    program = _network(runs, title, path, notes)
    counted = count_that_differs(module, program) if way.until is None else None
    read = list(program.net.trace().outputs.values())
    trained = other_in_training(module, way, shapes, read)
    more = [note for note in (counted, trained) if note is not None]
    if more:
        program = program.noted([*notes, *more])
    return _imported(program, ReadFrom(source or title, {}), notes)


def _network(runs: RecordedRuns, title: str, path: str, notes: Sequence[str]) -> ReadProgram:
    """The network of the runs; where something unseen decides, they are made again, and that is noted."""
    while True:
        try:
            return runs.network(title, path, notes)
        except DecidesUnseen as found:
            # What is noted already decides together with something else.
            if not runs.note(found.by):
                raise


def _imported(
    program: ReadProgram, read_from: ReadFrom | None, notes: Sequence[str]
) -> Imported:
    """A program's network with the places and the weights of the module."""
    assert read_from is not None
    net, steps = program.net, program.steps
    net.reading_of(program.placed(read_from))
    with_weights = {name: step for name, step in steps.items() if step.weights is not None}
    imported = Imported(net, with_weights, program, notes)
    _check_weights(imported)
    return imported


def _check_weights(imported: Imported) -> None:
    """Raise :class:`Unrepresentable` where the module's weights do not fit what is built from the config."""
    given = imported.weights()
    takes = weights_built(imported.net)

    for name, weight in given.items():
        if name not in takes:
            raise Unrepresentable(f"the weights {name} have no place in what its config builds")
        shape, wanted = tuple(weight.shape), takes[name].shape
        if shape != wanted:
            raise Unrepresentable(
                f"the weights {name} are {written(shape)}, and its config would build {written(wanted)}"
            )

    for name, taken in takes.items():
        if taken.is_parameter and name not in given:
            raise Unrepresentable(
                f"its config would build weights {name}, which the module has not"
            )


def record(
    module: torch.nn.Module,
    shapes: Sequence[Sequence[int]],
    open_dims: OpenDims,
    sizes: Mapping[str, int],
    space: Space,
    way: Way = PLAIN,
) -> Recording:
    """The steps of a module's forward for inputs of these shapes, some of their symbols at other sizes.

    Raises :class:`Unrepresentable` for what has no place in a config, and for what the module raises.
    """
    runs = RecordedRuns(Recordable(module, way), shapes, open_dims, Budget(SECONDS), space)
    return runs.run(sizes)


class RecordedRuns:
    """The runs of a module that are recorded, for inputs of some shapes with some open dims."""

    def __init__(
        self,
        recorded: Recordable,
        shapes: Sequence[Sequence[int]],
        open_dims: OpenDims,
        budget: Budget,
        space: Space | None = None,
    ) -> None:
        self.recorded = recorded
        self.shapes = shapes
        self.open_dims = open_dims
        self.budget = budget
        self.space = space or Space()
        self.sure: set[Any] = set()
        """The comparisons that are noted though they are not seen, by their identity."""
        self.first: Tape | None = None
        """What the first of them asked torch for."""
        self.known = KnownCalls()
        """What all of them asked torch for."""

    def note(self, comparisons: Sequence[Condition]) -> bool:
        """Let what is compared unseen decide in the runs from now on; False where all of it does already."""
        found = {one.identity() for one in comparisons}
        is_new = not found <= self.sure
        self.sure |= found
        self.first, self.known = None, KnownCalls()
        return is_new

    def network(self, title: str, path: str, notes: Sequence[str]) -> ReadProgram:
        """The network of the module. Raises as :func:`network_of` does."""
        module, way = self.recorded.module, self.recorded.way
        itself = RealModule(module, way, self.repeat_themselves)
        return network_of(
            self.run, title, path, UNSEEN, itself, notes, in_part=True, again=self.again
        )

    def run(self, sizes: Mapping[str, int]) -> Recording:
        """Record the module, some symbols at other sizes. Raises as :func:`record` does."""
        if sizes:
            self.budget.check()
        first = self._recorded(sizes)
        # One table of which the config would have two is read once more.
        in_parts = used_twice(first.recording.steps)
        found = self._recorded(sizes, in_parts) if in_parts else first
        self.first = self.first or found.tape
        self.known.add(found.tape)
        return found.recording

    def _recorded(
        self, sizes: Mapping[str, int], in_parts: frozenset[int] = frozenset()
    ) -> Forward:
        """One run that has ended."""
        with users_code(type(self.recorded.module).__name__):  # its copy
            forward = Forward(self.recorded, self.open_dims, self.space, sizes, in_parts)
        forward.recording.guards.sure = self.sure
        _run(forward, self.shapes)
        return forward

    def again(self, sizes: Mapping[str, int]) -> Recording | None:
        """What :meth:`run` gives, where the module asks torch for nothing but what it asked for in earlier runs."""
        self.budget.check()
        known = self.known.at(sizes)
        return None if known is None else Retelling(self.recorded, known).recording()

    def repeat_themselves(self) -> bool:
        """Whether one more run for the sizes of the first one is known to be the same."""
        tape = None if self.first is None else self.first.read
        if tape is None:
            return False
        numbers = tape.at(tape.symbols)
        return numbers is not None and Replay(self.recorded, tape, numbers).is_the_same()


def _run(forward: Forward, shapes: Sequence[Sequence[int]]) -> None:
    """Let a forward run. Raises as :func:`record` does."""
    try:
        forward.run(shapes)
    except Unrepresentable as refused:
        raise refused.after(forward.recording.guards.made) from refused
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a forward that ends the process included
        message = raised(type(forward.module).__name__, error)
        guards = forward.recording.guards.made
        inside, path = forward.failed_in or (forward.module, "")
        origin = forward.origin_in(inside, path, gone_through(error))
        words = words_of(error)
        kind = type(error).__name__
        fault = Reason("T602", f"{kind}: {words}" if words else kind, origin, kind)
        raise Unrepresentable(message, guards, by_program=True, fault=fault) from error
