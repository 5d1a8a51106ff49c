"""Runs of a module itself, for the shapes that it gives: without data where it runs so, on small inputs otherwise."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from tracer.importing.comparison import Answer
from tracer.importing.recording import Unrepresentable
from tracer.ops.base import Shape
from tracer.torch_bridge.copies import ModuleCopy, Restored, copy_of, shared, without_data
from tracer.torch_bridge.forward import PLAIN, Reached, Way, tensors_by_name
from tracer.torch_bridge.kept_copies import Copies
from tracer.torch_bridge.one_device import OneDevice, device_of
from tracer.torch_bridge.places import entrance, raised, users_code
from tracer.torch_bridge.recurrences import OneStep
from tracer.torch_bridge.same_shapes import SameShapes

SMALL = 2**18
"""Elements of inputs up to which a module is run with data, 3 x 295 x 295."""

LARGEST = 2**20
"""Elements up to which it is where nothing else can be compared."""

SECONDS = 20
"""After so long no more is run with data."""

META = torch.device("meta")

BeforeCall = Callable[[torch.nn.Module, torch.nn.Module, Any], None]
"""Takes a layer of a copy, the module's own layer, and the first thing that it is called with."""


class RealModule:
    """A module as a program that answers with shapes. Each run is that of a copy which no other one has changed."""

    def __init__(
        self,
        module: torch.nn.Module,
        way: Way = PLAIN,
        repeats: Callable[[], bool] = lambda: False,
    ) -> None:
        self.module = module
        self.way = way
        self.repeats = repeats
        """Whether one more run is known to do the same as the one before, but for what the module itself keeps."""
        tensors = [*module.parameters(), *module.buffers()]
        self.device = device_of(module)
        floating = [t.dtype for t in tensors if t.is_floating_point()]
        self.dtype = floating[0] if floating else torch.float32
        self.with_data = Copies(module, shared, self._prepare)
        self.without_data = Copies(module, without_data, self._prepare)
        self.unready: Answer | None = None
        """What is answered where no copy can be made ready to be run."""
        self.needs_data = False
        """Set where a run without data raised, and one with data did not."""
        self.has_run_without = False
        self.seconds = 0.0
        """How long runs with data took so far."""

    def answer(self, shapes: Sequence[Shape]) -> Answer | None:
        """What the module gives; None where only a large run with data could tell.

        Raises :class:`Unrepresentable` where its second run gives something else.
        """
        if self.needs_data:
            return self.sure_answer(shapes)
        if self.has_run_without:
            return self.answer_without_data(shapes)
        found = self._twice_without_data(shapes)
        if found.shapes is not None:
            self.has_run_without = True
            return found

        # The meta device lacks some functions, and no tensor there has values.
        sure = self.sure_answer(shapes)
        self.needs_data = sure is not None and sure.shapes is not None
        return sure

    def sure_answer(
        self, shapes: Sequence[Shape], *, at_any_cost: bool = False
    ) -> Answer | None:
        """What it gives with data: the meta device takes some sizes that others refuse."""
        elements = sum(map(math.prod, shapes))
        most = LARGEST if at_any_cost else SMALL
        if elements > most or (self.seconds > SECONDS and not at_any_cost):
            return None

        begun = time.monotonic()
        try:
            return self._with_data(shapes)
        finally:
            self.seconds += time.monotonic() - begun

    def answer_without_data(self, shapes: Sequence[Shape]) -> Answer:
        """What it gives on the meta device, which lacks some functions, and where no tensor has values."""
        copied = self.without_data.take()
        return self._run_without_data(copied.module, shapes)

    def answer_where_each(self, shapes: Sequence[Shape], called: BeforeCall) -> Answer:
        """The same of a run that calls a function before each layer, which may change the layer's copy."""
        copied = copy_of(self.module, without_data)
        for part in copied.module.modules():
            original = copied.original(part)

            def before(part: torch.nn.Module, args: Any, original: Any = original) -> None:
                called(part, original, args[0] if args else None)

            part.register_forward_pre_hook(before)
        self._prepare(copied)
        return self._run_without_data(copied.module, shapes)

    def _prepare(self, copied: ModuleCopy) -> torch.nn.Module:
        """The copy in the mode in which it is run; where its own code refuses that, it is not run."""
        try:
            with users_code(type(copied.module).__name__):
                return self.way.prepared(copied.module)
        except Unrepresentable as refused:
            self.unready = Answer(None, str(refused))
            return copied.module

    def _twice_without_data(self, shapes: Sequence[Shape]) -> Answer:
        """The same, where two runs of one copy agree. Raises :class:`Unrepresentable` where they do not.

        A run that leaves nothing behind in the copy is followed by one that begins as it did, and what is kept
        elsewhere, or drawn, shows where one more run asks torch for something else.
        """
        copied = self.without_data.take()
        found = self._run_without_data(copied.module, shapes)
        is_known = copied.is_as_it_was() and self.repeats()
        if found.shapes is None or is_known:
            return found

        again = self._run_without_data(self._prepare(copied.copied), shapes)
        if again.shapes is not None and found != again:
            raise Unrepresentable(
                "its second run for the same shapes gives others: what a run leaves behind decides in the next one"
            )
        return found

    def _run_without_data(self, module: torch.nn.Module, shapes: Sequence[Shape]) -> Answer:
        with META, OneStep(), SameShapes():
            return self._run(module, shapes, META)

    def _with_data(self, shapes: Sequence[Shape]) -> Answer:
        kept = self.with_data.take()
        copied = kept.copied
        with Restored(copied.tensors):
            return self._run(copied.module, shapes, self.device)

    @entrance
    def _run(
        self, module: torch.nn.Module, shapes: Sequence[Shape], device: torch.device
    ) -> Answer:
        if self.unready is not None:
            return self.unready
        try:
            # An input may be too large for torch to say so much as its shape.
            inputs = [torch.zeros(shape, dtype=self.dtype, device=device) for shape in shapes]
            args, kwargs = self.way.called_with(inputs)
            limit, here = self.way.limit(), OneDevice(device)
            with limit, torch.no_grad(), self._until(module), here:
                result = module(*args, **kwargs)
            tensors = tensors_by_name(result)
        except Reached as reached:
            tensors = tensors_by_name(reached.result)
        except Unrepresentable as refused:
            return Answer(None, str(refused))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Answer(None, raised(type(module).__name__, error))
        return Answer({name: tuple(tensor.shape) for name, tensor in tensors.items()})

    @contextlib.contextmanager
    def _until(self, module: torch.nn.Module) -> Iterator[None]:
        """Let the module run up to the part that it is read to."""
        if self.way.until is None:
            yield
            return

        def reached(part: torch.nn.Module, args: Any, result: Any) -> None:
            raise Reached(result)

        hook = module.get_submodule(self.way.until).register_forward_hook(reached)
        try:
            yield
        finally:
            hook.remove()
