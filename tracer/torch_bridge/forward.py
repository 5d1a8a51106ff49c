"""A module's forward, run once on tensors without data, and every step of it recorded.

The user's own Python runs, so that whatever decides there, by sizes or by anything else but a tensor's values, decides
as it always does. Tensors are on the meta device; a torch function that is called with one of them is looked up in
:mod:`tracer.torch_bridge.dispatch`, and a torch.nn module becomes its operation. Sizes are read as
:class:`tracer.importing.run_time_sizes.RunTimeSize`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from types import CodeType, FrameType
from typing import Any, NamedTuple

import torch
from torch.nn.modules.lazy import LazyModuleMixin
from torch.overrides import TorchFunctionMode

from tracer.importing.recording import (
    Recording,
    Step,
    StepScope,
    Unrepresentable,
    Value,
    Weights,
    spatial_symbols,
)
from tracer.importing.run_time_sizes import RunTimeQuotient, RunTimeSize
from tracer.sizing.symbol import Space
from tracer.torch_bridge import dispatch, handlers
from tracer.torch_bridge.calls_made import MadeCall, leaves, tensors_in
from tracer.torch_bridge.computed import ComputedCall
from tracer.torch_bridge.copies import ModuleCopy, Restored, shared
from tracer.torch_bridge.followed_calls import followed_by
from tracer.torch_bridge.handled import is_handled_at
from tracer.torch_bridge.handlers.sizes import ABOUT_SIZES, VALUES
from tracer.torch_bridge.index_bounds import IndexBounds
from tracer.torch_bridge.kept_copies import Copies
from tracer.torch_bridge.known_layers import KnownLayer, KnownLayers, parts_of
from tracer.torch_bridge.made import LIKE_OTHERS, MadeOfSizes
from tracer.torch_bridge.modules import (
    ModuleOperation,
    StandIn,
    arguments_of,
    operation_of,
)
from tracer.torch_bridge.moved import Moves, floating_weights
from tracer.torch_bridge.one_device import OneDevice, device_of
from tracer.torch_bridge.origins import ModuleOrigin, line_that_made
from tracer.torch_bridge.places import (
    CodePlace,
    entrance,
    every_place,
    numbered_place,
    own_places,
    place,
)
from tracer.torch_bridge.remade import WeightsBefore
from tracer.torch_bridge.shadows import FilesInSight
from tracer.torch_bridge.tape import Retold, Tape
from tracer.torch_bridge.tensor_numbers import TensorNumbers
from tracer.torch_bridge.tensors import Tensors, memory_of
from tracer.torch_bridge.time_limit import time_limit
from tracer.torch_bridge.unwritten import HOW_TO_LOAD, told_of_constant

handlers.load()

DRAWN = {
    "rand",
    "randn",
    "randint",
    "randperm",
    "normal",
    "bernoulli",
    "multinomial",
    "poisson",
}
"""Functions whose results are drawn at random."""

OpenDims = Callable[[int, Sequence[int]], Mapping[int, str]]
"""The symbols of an input by dim, for its number from 0 and its shape."""


def spatial_dims(number: int, shape: Sequence[int]) -> Mapping[int, str]:
    """Its spatial dims are symbols."""
    return spatial_symbols(len(shape))


def sequence_dims(number: int, shape: Sequence[int]) -> Mapping[int, str]:
    """The same, where an input of three dims is a sequence whose steps have features: its length is the symbol."""
    return {1: "T"} if len(shape) == 3 else spatial_dims(number, shape)


def batch_and_others(others: OpenDims, number: int, shape: Sequence[int]) -> Mapping[int, str]:
    """Its first dim is a symbol too."""
    return {0: "N", **others(number, shape)} if len(shape) >= 2 else {}


def all_batch_dims(
    batch: int, others: OpenDims, number: int, shape: Sequence[int]
) -> Mapping[int, str]:
    """Those of others, and the only dim of an input that has one value for each sample of a batch of this size."""
    is_batch = tuple(shape) == (batch,)
    return {0: "N"} if is_batch else others(number, shape)


def no_dims(number: int, shape: Sequence[int]) -> Mapping[int, str]:
    """All of them are numbers."""
    return {}


class Reached(BaseException):
    """The module up to which a forward runs has given its result."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result


class Way(NamedTuple):
    """How a module is run."""

    keywords: tuple[str, ...] = ()
    """For each input the keyword that it is given by; an empty one for an input that is given by its position."""
    training: bool = False
    until: str | None = None
    """The dotted path of the module up to which it runs; None: to its end."""
    seconds: float | None = None
    """The time that one run may take; None: any."""
    symbols: tuple[Mapping[int, str], ...] | None = None
    """For each input its symbols by dim, the other dims being numbers; None: they are found."""

    layout: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    """The positional and the keyword arguments, with lists and dicts, in which each input stands as its number from 0.

    None: each input is an argument.
    """
    called: Callable[[], None] | None = None
    """Told of each call of a module that has ended, for whoever waits."""

    def symbols_of(self, number: int, shape: Sequence[int]) -> Mapping[int, str]:
        """The symbols of an input that are given, by its number from 0."""
        given = self.symbols or ()
        return given[number] if number < len(given) else {}

    def name_of(self, number: int) -> str:
        """The keyword of an input, by its number from 0."""
        return self.keywords[number] if number < len(self.keywords) else ""

    def prepared(self, module: torch.nn.Module) -> torch.nn.Module:
        """The module in the mode in which it is run."""
        return module.train() if self.training else module.eval()

    def limit(self) -> AbstractContextManager[None]:
        """Ends a run that takes longer."""
        return time_limit(self.seconds, "its forward does not end")

    def called_with(self, tensors: Sequence[Any]) -> tuple[list[Any], dict[str, Any]]:
        """The inputs as positional and as keyword arguments."""
        if self.layout is not None:
            args, kwargs = _laid_out(self.layout, tensors)
            return list(args), dict(kwargs)
        named = [(self.name_of(number), tensor) for number, tensor in enumerate(tensors)]
        args = [tensor for name, tensor in named if not name]
        return args, {name: tensor for name, tensor in named if name}


def _laid_out(layout: Any, tensors: Sequence[Any]) -> Any:
    """Lists and dicts with the inputs in the place of their numbers."""
    if isinstance(layout, Mapping):
        return {word: _laid_out(part, tensors) for word, part in layout.items()}
    if isinstance(layout, (list, tuple)):
        return type(layout)(_laid_out(part, tensors) for part in layout)
    return tensors[layout]


PLAIN = Way()
"""To its end, in eval mode, with inputs by their positions."""


class Parts(NamedTuple):
    """What is known of a copy's parts before it is run."""

    names: Mapping[int, str]
    """Their dotted paths, by the identity of each part of the copy and of the module."""
    shared: Mapping[int, Sequence[str]]
    """The paths of those without weights that stand in several places."""
    before: WeightsBefore
    layers: KnownLayers
    """Those of its layers that were recorded."""
    weights: Mapping[str, torch.Tensor]
    """Its parameters and buffers that float, by their names."""


class Outside(NamedTuple):
    """What runs outside of a call of a module."""

    frame: FrameType
    """That of the call itself."""
    places: list[CodePlace]
    """The places in the user's code, the innermost first."""
    caller: CodeType
    """The code that calls the module."""


class Recordable:
    """A module as it is recorded: the way that it is run, and its copies."""

    def __init__(self, module: torch.nn.Module, way: Way = PLAIN) -> None:
        self.module = module
        self.way = way
        self.copies: Copies[Parts] = Copies(module, shared, self._parts)
        self.files = FilesInSight()

    def _parts(self, copied: ModuleCopy) -> Parts:
        """A copy is made ready to be run."""
        made = self.way.prepared(copied.module)
        names: dict[int, str] = {}
        # A function that the module keeps may call the parts that it knows, not their copies.
        for known in (self.module, made):
            for name, part in known.named_modules():
                names[id(part)] = name
        return Parts(
            names,
            shared_paths(made),
            WeightsBefore(made),
            KnownLayers(),
            floating_weights(made),
        )


class Forward(TorchFunctionMode):
    """One run of a module: :meth:`run` gives its steps.

    ``open_dims`` are the symbols of the inputs' dims. ``sizes`` gives some symbols another size, and ``in_parts`` is
    the memory of parameters that are used as they are and in parts as well.
    """

    def __init__(
        self,
        recorded: Recordable,
        open_dims: OpenDims,
        space: Space,
        sizes: Mapping[str, int],
        in_parts: frozenset[int] = frozenset(),
    ) -> None:
        super().__init__()
        self.kept = recorded.copies.take()
        self.copied = self.kept.copied
        self.module = self.copied.module
        self.way = recorded.way
        self.files = recorded.files
        self.open_dims = open_dims
        self.recording = Recording(place, space, sizes, self._origin, self._is_handled)
        self.refused: Unrepresentable | None = None
        """The first refusal of the importer's: the program may have gone on after it, as after any error."""
        self.inside: list[torch.nn.Module] = []
        """The modules whose calls run now, the innermost last."""
        self.outside: list[Outside] = []
        """What runs outside of each of them."""
        self.is_in_layer = False
        """Whether torch's own code alone runs in the innermost of them."""
        self.failed_in: tuple[torch.nn.Module, str | None] | None = None
        """The innermost module whose call raised an error, and its path there."""
        self.finished: list[str | None] = []
        """The dotted paths of the modules whose calls have ended, in this order."""
        self.calls = itertools.count()
        self.names, self.shared, self.before, self.layers, _ = self.kept.fact
        self.paths: list[str | None] = []
        """The dotted paths of the modules whose calls run now."""
        self.tensors = Tensors(self.module, self.recording, in_parts)
        self.made = MadeOfSizes(self.tensors)
        self.numbers = TensorNumbers(self.tensors)
        self.moves = Moves(self.kept.fact.weights, self.tensors)
        self.written: dict[int, str] = {}
        """The memory that was written into, and the line that did it first."""
        self.index_bounds = IndexBounds(self.tensors, self.numbers)
        self.tape = Tape(self.recording, self.tensors, self.kept)
        """What it asks torch for."""
        self.how = Retold.TOLD
        """How the last call's result was found."""
        self.layer: KnownLayer | None = None
        """The layer that was called last, where it is told by its tensor's sizes."""

    @entrance
    def run(self, shapes: Sequence[Sequence[int]]) -> Recording:
        """The steps for inputs of these shapes. Raises :class:`Unrepresentable`, or what the module raises."""
        tensors = []
        for number, shape in enumerate(shapes):
            name = "input" if number == 0 else f"input{number + 1}"
            symbols = self.open_dims(number, shape)
            tensors.append(self._input(self.way.name_of(number) or name, shape, symbols))
        args, kwargs = self.way.called_with(tensors)

        no_grad: Any = torch.no_grad
        restored = Restored(self.copied.tensors)
        limit = self.way.limit()
        here = OneDevice(device_of(self.module))
        seen, calls = self.files.followed(self.module), followed_by(self)
        with limit, seen, calls, no_grad(), restored, here, self:
            try:
                result = self.module(*args, **kwargs)
                self._refuse_unreached()
            except Reached as reached:
                result = reached.result
            except Exception as error:
                if self.refused is not None:
                    raise self.refused from error
                raise
        if self.refused is not None:
            raise self.refused
        given = tensors_by_name(result)
        outputs = self._outputs(given)
        if not outputs:
            raise Unrepresentable(
                f"{type(self.module).__name__} returns no tensor that depends on its input"
            )
        self.recording.outputs = outputs
        made = list(self.recording.steps)
        self._tell_what_is_remade()
        self.recording.leave_out_unread()
        self._give_back_weights()
        self.tape.end(given, made)
        return self.recording

    def _tell_what_is_remade(self) -> None:
        """Let the config say which weights each run makes anew."""
        if self.kept.is_as_it_was():
            return
        for name in self.before.remade():
            self.recording.told.append(f"each run makes {name} anew: this is the first one")

    def _give_back_weights(self) -> None:
        """The module's own weights in the place of the copy's, in every step."""
        steps = self.recording.steps
        steps[:] = map(self._of_the_module, steps)
        if any(step.weights and not step.weights.learned for step in steps):
            self.recording.told.append(HOW_TO_LOAD)

    def _of_the_module(self, step: Step) -> Step:
        """A step with the module's own weights in the place of the copy's, and what is told of them."""
        weights = step.weights
        if weights is None:
            return step
        owner = self.copied.original(weights.owner)
        told = ", and ".join(self._told_of(step, weights)) or step.told
        return step.telling(told, weights.of(owner))

    def _told_of(self, step: Step, weights: Weights) -> Iterator[str]:
        """That each run changes the weights of a step, and that the values of constants are not written."""
        lines = [self.written[memory] for memory in weights.memory if memory in self.written]
        if lines:
            yield f"each run changes it, at {lines[0]}"
        if not weights.learned:
            yield told_of_constant(step, weights, self.tensors.buffers)

    def _input(
        self, name: str, shape: Sequence[int], symbols: Mapping[int, str]
    ) -> torch.Tensor:
        value = self.recording.input(name, shape, symbols)
        return self.tape.input(self.tensors.tensor(value))

    def _refuse_unreached(self) -> None:
        """Raise :class:`Unrepresentable` where it was to run up to a part that it does not call."""
        until = self.way.until
        if until is None:
            return
        inside = [name for name in self.names.values() if name.startswith(f"{until}.")]
        hint = f"; it may call parts of it, such as {inside[-1]}" if inside else ""
        kind = type(self.module).__name__
        raise Unrepresentable(f"the forward of {kind} does not call {until}{hint}")

    def _outputs(self, given: Mapping[str, torch.Tensor]) -> dict[str, Value]:
        """The values of what the module returns, under the names of the parts that they are in."""
        found = {}
        for name, tensor in given.items():
            if tensor in self.tensors.values:
                found[name] = self.tensors.operand(tensor)
            elif tensor in self.tensors.made:
                # Nothing of the input is in it: where no step gives it, it is left out.
                with suppress(Unrepresentable):
                    found[name] = self.tensors.operand(tensor)
        return found

    # --- calls -------------------------------------------------------------------------------------------------------

    def called(self, module: torch.nn.Module, original: Any, args: Any, kwargs: Any) -> Any:
        """A module is called: an operation, or a part with steps of its own."""
        if isinstance(module, torch.jit.ScriptModule):
            what = self.names.get(id(module)) or type(module).__name__
            why = f"{what} is TorchScript that is no part of the module; make it an attribute of it"
            raise self.recording.refused(why)

        given = tensors_in((args, kwargs))
        depends = any(map(self.tensors.is_known, given))
        operation = operation_of(module) if depends else None
        path = self._path_of(module)
        asked = self.tape.asked(module, self.inside, args, kwargs, given)
        frame = sys._getframe(2)
        outside = Outside(sys._getframe(), self._places_from(frame), frame.f_code)
        self.inside.append(module)
        self.paths.append(path)
        self.outside.append(outside)
        try:
            if operation is None:
                self.tape.part(asked)
                result = self._part(module, original, args, kwargs)
            else:
                self.how, self.layer = Retold.TOLD, None
                result = self._layer(module, operation, original, args, kwargs)
                self.tape.told(asked, self.how, result, self.layer)
        except Exception as error:
            self.tape.is_whole = False
            self.failed_in = self.failed_in or (module, path)
            self._keep(error)
            raise
        finally:
            self.inside.pop()
            self.paths.pop()
            self.outside.pop()

        known = self.names.get(id(module))
        self.finished.append(known)
        if self.way.called is not None:
            self.way.called()
        if self.way.until is not None and known == self.way.until:
            raise Reached(result)
        return result

    def _layer(
        self,
        module: torch.nn.Module,
        operation: ModuleOperation,
        original: Any,
        args: Any,
        kwargs: Any,
    ) -> Any:
        """A module that is an operation, and its hooks before and behind it."""
        if isinstance(module, LazyModuleMixin) and module.has_uninitialized_params():
            kind = type(module).__name__
            label = self._label_of(module)
            raise self.recording.refused(
                f"{label} ({kind}) has no weights yet; call the module once with a tensor before it is read"
            )
        if not has_hooks(module):
            self.is_in_layer = True
            try:
                return self._plain_layer(module, operation, args, kwargs)
            finally:
                self.is_in_layer = False

        # What hooks do beside it is not told again.
        self.tape.is_whole = False

        def step(*args: Any, **kwargs: Any) -> Any:
            return self._operation(module, operation, args, kwargs)

        vars(module)["forward"] = StandIn(step)
        try:
            return original(module, *args, **kwargs)
        finally:
            del vars(module)["forward"]

    def _plain_layer(
        self, module: torch.nn.Module, operation: ModuleOperation, args: Any, kwargs: Any
    ) -> Any:
        """A layer around which nothing else runs: one that an earlier run has recorded is told again."""
        x: Any = args[0] if len(args) == 1 and not kwargs else None
        source = self.tensors.plain_value(x)
        if source is None or not may_be_told_again(module, operation):
            return self._operation(module, operation, args, kwargs)

        dtype = dispatch.type_of(x)
        known = self.layers.like(module, source, dtype)
        result = None if known is None else self._layer_again(known, x, source)
        if result is not None:
            self.layer = known
            return result

        parts = parts_of(module)
        first_step, first_guard = len(self.recording.steps), len(self.recording.guards.made)
        result = self._operation(module, operation, args, kwargs)
        made = self.recording.steps[first_step:]
        is_plain = len(made) == 1 and len(self.recording.guards.made) == first_guard
        if is_plain and self._is_made_by(made[0], source, result):
            kind = dispatch.type_of(result)
            step = made[0]
            layer = KnownLayer(module, parts, source.sizes, dtype, step, kind, result is x)
            self.layer = self.layers.noted(layer)
        return result

    def _is_made_by(self, step: Step, source: Value, result: Any) -> bool:
        """Whether a tensor is what a step makes of a source."""
        if not isinstance(result, torch.Tensor) or step.name in self.recording.beside:
            return False
        is_all = len(step.sources) == 1 and step.sources[0] is source
        return is_all and self.tensors.plain_value(result) is step.value

    def _layer_again(self, known: KnownLayer, x: torch.Tensor, source: Value) -> Any:
        """What a layer gives that makes the same step as before; None where more has to be found out."""
        label = self._label_of(known.module)
        weights = self.tensors.weights_of(known.module)
        value = self.recording.add_again(known.step, source, label, weights)
        if value is None:
            return None
        if known.is_in_place:
            return self.tensors.become(x, value)
        made = self.tensors.tensor(value, known.made)
        dispatch.share_as(type(known.module), self.tensors, x, made)
        return made

    def _part(self, module: torch.nn.Module, original: Any, args: Any, kwargs: Any) -> Any:
        """A module with steps of its own."""
        if module is self.module:
            return original(module, *args, **kwargs)

        kind = type(module).__name__
        scope = StepScope(self._label_of(module), kind, next(self.calls))
        self.recording.scopes.append(scope)
        try:
            return original(module, *args, **kwargs)
        finally:
            self.recording.scopes.pop()

    def _origin(self) -> ModuleOrigin | None:
        """Where the forward is now."""
        if not self.inside:
            return None
        return self.origin_in(self.inside[-1], self.paths[-1], own_places(self._places()))

    def _is_handled(self) -> bool:
        """Whether the code that runs now handles an error of torch itself."""
        return is_handled_at(self._places())

    def _places(self) -> list[CodePlace]:
        """The places in the user's code that run now, the innermost first."""
        return (
            self.outside[-1].places if self.is_in_layer else self._places_from(sys._getframe(1))
        )

    def _places_from(self, frame: FrameType) -> list[CodePlace]:
        """Those that run in a frame and outside of it."""
        if not self.outside:
            return every_place(frame)
        around = self.outside[-1]
        return every_place(frame, around.frame, around.places)

    def origin_in(
        self, module: torch.nn.Module, path: str | None, seen: Sequence[CodePlace]
    ) -> ModuleOrigin:
        """Places of the user's code as those of a module's call."""
        is_layer = self.is_in_layer or operation_of(module) is not None
        original = self.copied.original(module)
        caller = self.outside[-1].caller if self.outside else None
        return ModuleOrigin(
            seen, path, is_layer, line_that_made(original), type(original), caller
        )

    def _path_of(self, module: torch.nn.Module) -> str | None:
        """The dotted path of a module that is called now; None where it has none.

        One without weights that stands in several places has the path of the place that calls it.
        """
        places = self.shared.get(id(module), ())

        # The nearest place in the innermost part that has one.
        for around in reversed(self.paths):
            prefix = f"{around}." if around else ""
            inside = [place for place in places if place.startswith(prefix)]
            if inside and around is not None:
                return min(inside, key=lambda place: place.count("."))
        return self.names.get(id(module))

    def _label_of(self, module: torch.nn.Module) -> str:
        """A module's name in the part that calls it: ``layers.0`` where no module is called between.

        Its class's where it has none: it was made while the forward runs.
        """
        path = self.paths[-1]
        if not path:
            return type(module).__name__ if path is None else path
        return self.recording.from_here(path)

    def _operation(
        self, module: torch.nn.Module, found: ModuleOperation, args: Any, kwargs: Any
    ) -> Any:
        """A module that is an operation is one step."""
        label = self._label_of(module)
        arguments = arguments_of(module, found.operation)
        call = dispatch.ModuleCall(self.tensors, module, found.name, label, args, kwargs)
        with self.recording.in_torch():
            if isinstance(module, torch.nn.Embedding) and args:
                self.index_bounds.check_inside(args[0], module.num_embeddings)
            return dispatch.call_module(call, found.torch_class, arguments)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        named = kwargs or {}
        is_programs = not self.recording.is_in_torch
        asked = None
        if is_programs:
            given = tensors_in((args, named))
            asked = self.tape.asked(func, self.inside, args, named, given)
        try:
            with self.recording.in_torch():
                result = self._called(func, args, named)
        except Exception as error:
            self.tape.is_whole = False
            if isinstance(error, Unrepresentable):
                self._keep(error)
            raise
        if asked is not None:
            self.tape.told(asked, self.how, result)
        return result

    def _keep(self, error: Exception) -> None:
        """Keep a refusal: no config says what comes behind it. An operation's is an error of torch's as well."""
        if isinstance(error, Unrepresentable) and not error.by_operation:
            self.refused = self.refused or error

    def _called(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The result of a function of torch."""
        name = dispatch.name_of(func)
        call = self.numbers.given(MadeCall(func, name, args, kwargs))
        given = call.given()
        self.index_bounds.check(call)
        if call.changes_first() and given:
            self.written.setdefault(memory_of(given[0]), numbered_place())
        if name not in LIKE_OTHERS and any(tensor in self.tensors.values for tensor in given):
            return self._dispatched(call)
        if any(map(torch._C._functorch.is_functorch_wrapped_tensor, given)):
            raise self.recording.refused(
                "torch.func runs functions on tensors of its own (vmap, grad, jvp), which no config can say"
            )
        if not self._is_made(call, given):
            return self._computed(call, given)

        if self._is_step(call, given):
            return self._dispatched(call)
        return self._made_of_sizes(call)

    def _dispatched(self, call: MadeCall) -> Any:
        """The result of a function that is an operation, or that asks for sizes."""
        self.tensors.torch_was_asked = False
        result = dispatch.call(self.tensors, call.func, call.args, call.kwargs)
        self.how = Retold.AND_TORCH if self.tensors.torch_was_asked else Retold.TOLD
        if call.name in dispatch.PLAIN_OF_SIZES:
            self.how = Retold.RUN
        return result

    def _is_made(self, call: MadeCall, given: Sequence[torch.Tensor]) -> bool:
        """Whether a function of no tensor that depends on the input follows its sizes, or draws at random."""
        is_new = call.name in DRAWN or call.name in LIKE_OTHERS
        is_of_sizes = _follows_the_input(call.args, call.kwargs)
        return is_new or is_of_sizes or any(map(self.tensors.is_made, given))

    def _is_step(self, call: MadeCall, given: Sequence[torch.Tensor]) -> bool:
        """Whether a function of what is made of sizes asks for sizes, or is an operation.

        What is learned is a step of its own, and so are constants of the module that are cut or expanded to a size.
        """
        if call.name in ABOUT_SIZES or dispatch.is_aside(call.name):
            return True
        if call.name in DRAWN or call.name in LIKE_OTHERS or not given:
            return False
        is_cut = not any(map(self.tensors.is_made, given)) and dispatch.has_handler(call.func)
        return is_cut or any(map(self.tensors.is_learned, given))

    def _computed(self, call: MadeCall, given: Sequence[torch.Tensor]) -> Any:
        """The result of a function of parameters and constants, noted where a parameter is among them."""
        self.how = Retold.RUN
        is_learned = any(map(self.tensors.is_learned, given))
        computed = ComputedCall(self.tensors, call) if is_learned else None
        result = call.func(*call.args, **call.kwargs)
        if given:
            self.moves.note(call, result)
        if computed is not None:
            computed.made(result)
        return result

    def _made_of_sizes(self, call: MadeCall) -> Any:
        """The result of a function of the input's sizes alone."""
        self.how = Retold.TOLD if call.name in VALUES else Retold.MADE
        if call.name in VALUES:
            if read := self.numbers.read(call):
                self.recording.sizes_are_read = True
                return read[0]
            raise self.recording.refused(
                "the values of a tensor decide here, which no config can say"
            )

        is_zeros = call.name == "zeros" and not call.given()
        sizes = _sizes_given(call.args) if is_zeros else ()
        # The comparison is noted: padding by less than nothing would cut.
        if any(n < 0 for n in sizes):
            raise RuntimeError(f"zeros of the sizes {sizes}, one of which is negative")

        result = self.made.result(call)
        self.numbers.note(call, result)
        self.index_bounds.note(call, result)
        if is_zeros:
            self.tensors.zeros[result] = sizes
        return result


def shared_paths(module: torch.nn.Module) -> dict[int, list[str]]:
    """The dotted paths of each part without weights that stands in several places, by its identity."""
    found: dict[int, list[str]] = {}
    parts: dict[int, torch.nn.Module] = {}
    for name, part in module.named_modules():
        prefix = f"{name}." if name else ""
        for word, child in part._modules.items():
            if child is not None:
                parts[id(child)] = child
                found.setdefault(id(child), []).append(prefix + word)

    several = {part: paths for part, paths in found.items() if len(paths) > 1}
    return {part: paths for part, paths in several.items() if has_no_weights(parts[part])}


def has_no_weights(module: torch.nn.Module) -> bool:
    """Whether neither it nor a part of it has a parameter or a buffer."""
    weights = itertools.chain(module.parameters(), module.buffers())
    return next(weights, None) is None


def tensors_by_name(result: Any, name: str = "") -> dict[str, torch.Tensor]:
    """The tensors in what a module returns, by the names of the parts that they are in; one alone is the output.

    >>> list(tensors_by_name({"aux": [torch.ones(1), torch.ones(1)]}))
    ['aux_0', 'aux_1']
    """
    if isinstance(result, torch.Tensor):
        return {name or "output": result}

    found: dict[str, torch.Tensor] = {}
    for key, part in _parts_of(result):
        part_name = f"{name}_{key}" if name else key
        found |= tensors_by_name(part, part_name)
    return found


def _parts_of(result: Any) -> Iterator[tuple[str, Any]]:
    """The named parts of what a module returns; none of what holds no tensor."""
    if isinstance(result, Mapping):
        return ((str(key), part) for key, part in result.items())
    if isinstance(result, (list, tuple)):
        return ((str(number), part) for number, part in enumerate(result))
    if result is None or isinstance(result, (int, float, str)):
        return iter(())
    if hasattr(result, "__dict__"):
        return iter(vars(result).items())
    raise Unrepresentable(
        f"the forward returns {type(result).__name__}: no tensor, list or dict of tensors"
    )


def _sizes_given(args: Sequence[Any]) -> tuple[Any, ...]:
    """Sizes that are given one by one, or as one list."""
    if len(args) == 1 and isinstance(args[0], (list, tuple)):
        return tuple(args[0])
    return tuple(args)


def _follows_the_input(args: Any, kwargs: Any) -> bool:
    """Whether a number among the arguments is computed from the input's sizes."""
    of_sizes = (RunTimeSize, RunTimeQuotient)
    return any(isinstance(n, of_sizes) for n in leaves((args, kwargs)))


def may_be_told_again(module: torch.nn.Module, operation: ModuleOperation) -> bool:
    """Whether a layer is one of torch's own, and does no more than its step."""
    cls = operation.torch_class
    return type(module) is cls and not issubclass(cls, torch.nn.Embedding)


def has_hooks(module: torch.nn.Module) -> bool:
    """Whether it has hooks that do more than to compute its weights, as torch's weight_norm and spectral_norm do."""
    before = module._forward_pre_hooks.values()
    return bool(module._forward_hooks) or not all(map(computes_weights, before))


def computes_weights(hook: Any) -> bool:
    """Whether a hook computes weights of its module and does nothing else."""
    return type(hook).__module__.startswith("torch.nn.utils.")
