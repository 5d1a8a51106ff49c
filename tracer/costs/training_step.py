"""The memory of one training step: forward, backward and update, storage by storage.

The run is followed call by call, as torch does it: a map is alive as long as a later call or autograd needs it, a
gradient from its making until the call before it has used it, and those of the weights until the update. What one
call makes and frees while it runs, a convolution's workspace, is not among them.

The step starts where an optimizer's state is there and no gradient is. The loss makes no maps but the gradients of the
outputs; inputs and outputs are the caller's to the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tracer.costs.calls import Gradient, StepCall, Types, calls_of, key_of_indices
from tracer.costs.heap import (
    COPIES,
    GRADIENTS,
    STATE,
    TEMPORARIES,
    WEIGHTS,
    Heap,
    HeapBlock,
)
from tracer.costs.operations import DTYPE_BYTES
from tracer.costs.optimizers import OPTIMIZERS
from tracer.costs.regions import StepUnit, units_of
from tracer.shapes.traced import Traced


class Training(msgspec.Struct, frozen=True):
    """How a network is trained."""

    optimizer: str = "sgd"
    """One of :data:`tracer.costs.optimizers.OPTIMIZERS`."""
    dtype: str = "float32"
    """The type of weights, inputs and maps."""
    amp: str | None = None
    """The type to which torch.autocast casts."""
    checkpoints: tuple[str, ...] = ()
    """Nodes, blocks and spans whose maps are made again in the backward pass."""

    @property
    def types(self) -> Types:
        return Types(
            DTYPE_BYTES[self.dtype], None if self.amp is None else DTYPE_BYTES[self.amp]
        )


class StepMemory(msgspec.Struct, frozen=True):
    """The bytes that are alive where a training step takes most."""

    peak: int
    phase: str
    """forward, backward or update."""
    node: str
    """The node that is at work there; empty in the update."""
    parts: dict[str, int]
    """What they are for: weights, gradients, optimizer, copies, kept, passing, temporaries."""
    before_update: int
    """The most until the update."""
    kept: int
    """What autograd keeps when the forward pass is over."""


def unknown_in_training(traced: Traced) -> str | None:
    """The first node of which it is not known what training keeps; None where all is known."""
    for visit in traced.walk():
        if visit.op is not None and not visit.op.memory_is_known:
            return visit.node.name
    return None


def step_memory(traced: Traced, training: Training) -> StepMemory:
    """The memory of a training step of a network whose every node has a shape.

    Raises :class:`tracer.costs.regions.NoRegion` where a checkpoint cannot be made.
    """
    calls = calls_of(traced, training.types)
    units = units_of(calls, training.checkpoints)
    return run_step(traced, calls, units, training)


def run_step(
    traced: Traced, calls: Sequence[StepCall], units: Sequence[StepUnit], training: Training
) -> StepMemory:
    """The memory of a step whose calls are known."""
    step = _Step(traced, calls, units, training)
    step.begin()
    step.forward()
    kept = step.kept()
    step.backward()
    heap = step.heap
    before_update = heap.peak
    step.update()

    phase, node = heap.peak_at
    return StepMemory(heap.peak, phase, node, heap.at_peak, before_update, kept)


class _Names:
    """The names of one forward pass: the whole one, or that of a checkpoint."""

    def __init__(self, calls: Sequence[StepCall], staying: set[int]) -> None:
        self.calls = calls
        self.maps: dict[int, HeapBlock] = {}
        """What is alive, by the keys of :attr:`StepCall.reads`."""
        self.last: dict[int, int] = {}
        """By such a key: the last call that touches it, by its index."""
        for call in calls:
            for key in (call.owner, *call.makes, *call.reads):
                if key not in staying:
                    self.last[key] = call.index


class _Step:
    """One training step on its way."""

    def __init__(
        self,
        traced: Traced,
        calls: Sequence[StepCall],
        units: Sequence[StepUnit],
        training: Training,
    ) -> None:
        self.traced = traced
        self.calls = calls
        self.units = units
        self.training = training
        self.heap = Heap()
        self.saved: dict[int, list[HeapBlock]] = {}
        """By node: what autograd keeps for its backward."""
        self.arguments: dict[int, list[HeapBlock]] = {}
        """By the first node of a checkpoint: its inputs, which are kept to run it again."""
        self.gradients: dict[int, HeapBlock] = {}
        """By node: the gradient of its map, as far as it is known."""
        self.of_weights: dict[int, HeapBlock] = {}
        self.casts: dict[int, HeapBlock] = {}
        """By the owner of weights: the copy in the lower type, as long as autocast has it."""
        self.outputs = {node.index for node in traced.network.outputs.values()}

    @property
    def weights(self) -> int:
        """The bytes of all parameters that are learned."""
        return sum(call.weights_size for call in self.calls if call.weights == call.index)

    # --- forward ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """What is there before the step."""
        width = self.training.types.width
        buffers = 0
        for visit in self.traced.walk():
            if visit.op is not None:
                buffers += int(visit.op.buffers(*visit.inputs)) * width

        optimizer = OPTIMIZERS[self.training.optimizer]
        self.heap.make(self.weights + buffers, WEIGHTS)
        self.heap.make(self.weights * optimizer.state, STATE)

    def forward(self) -> None:
        inputs = {call.index for call in self.calls if call.is_input}
        ends = {self.calls[index].owner for index in self.outputs}
        order = [call for unit in self.units for call in unit.calls]
        frame = _Names(order, inputs | ends)
        for unit in self.units:
            self._run_unit(frame, unit)
        self._leave_autocast()

    def _run_unit(self, frame: _Names, unit: StepUnit) -> None:
        if not unit.is_checkpoint:
            for call in unit.calls:
                self._run(frame, call, "forward", saving=True)
            return

        # The names inside end with the call of the checkpoint, those that it returns live on.
        if unit.last_saving is not None:
            self.arguments[unit.first] = [self.heap.save(frame.maps[key]) for key in unit.reads]
        for call in unit.calls:
            self._run(frame, call, "forward", saving=False)

    def _run(self, frame: _Names, call: StepCall, phase: str, *, saving: bool) -> None:
        heap = self.heap
        heap.now = (phase, call.name)
        self._cast_weights(call)
        copies = {number: heap.make(size) for number, size in call.copies}

        before = self._chain(call.on_the_way)
        if call.owner == call.index:
            frame.maps[call.index] = heap.make(call.owned)
        if call.indices:
            frame.maps[key_of_indices(call.index)] = heap.make(call.indices)
        heap.release(heap.make(call.forward_extra))
        heap.release(before)
        if saving and call.saves:
            self.saved[call.index] = self._save(frame, call, copies)
        for block in copies.values():
            heap.release(block)
        self._drop(frame, call)

    def _chain(self, sizes: Sequence[int]) -> HeapBlock:
        """The last of several storages, each of which is made of the one before."""
        block = self.heap.make(sizes[0] if sizes else 0)
        for size in sizes[1:]:
            following = self.heap.make(size)
            self.heap.release(block)
            block = following
        return block

    def _save(
        self, frame: _Names, call: StepCall, copies: Mapping[int, HeapBlock]
    ) -> list[HeapBlock]:
        """What autograd keeps of a call."""
        heap = self.heap
        kept = []
        for number in call.saved_inputs:
            block = copies.get(number) or frame.maps[call.reads[number]]
            kept.append(heap.save(block))
        if call.saves_output:
            kept.append(heap.save(frame.maps[call.owner]))
        if call.is_cast and call.weights in self.casts:
            kept.append(heap.save(self.casts[call.weights]))
        if call.indices:
            kept.append(heap.save(frame.maps[key_of_indices(call.index)]))
        if call.saves_read_indices:
            kept.append(heap.save(frame.maps[call.reads[-1]]))
        if call.saved_besides:
            block = heap.make(call.saved_besides)
            kept.append(heap.save(block))
            heap.release(block)
        return kept

    def _cast_weights(self, call: StepCall) -> None:
        if call.is_cast and call.weights_size and call.weights not in self.casts:
            lower = self.training.types.lower or 0
            size = call.weights_size // self.training.types.width * lower
            self.casts[call.weights] = self.heap.make(size, COPIES)

    def _leave_autocast(self) -> None:
        for block in self.casts.values():
            self.heap.release(block)
        self.casts = {}

    def _drop(self, frame: _Names, call: StepCall) -> None:
        """Behind a call nothing names what it read last."""
        for key in {call.owner, *call.makes, *call.reads}:
            if key in frame.maps and frame.last.get(key) == call.index:
                self.heap.release(frame.maps.pop(key))

    def kept(self) -> int:
        """The bytes that autograd keeps now."""
        blocks = [*self.saved.values(), *self.arguments.values()]
        distinct = {id(block): block.size for several in blocks for block in several}
        return sum(distinct.values())

    # --- backward -----------------------------------------------------------------------------------------------------

    def backward(self) -> None:
        self.heap.now = ("backward", "")
        for index in sorted(self.outputs):
            call = self.calls[index]
            self.heap.now = ("backward", call.name)
            if call.learns:
                self.gradients[index] = self.heap.make(call.size)

        for unit in reversed(self.units):
            is_open = unit.is_checkpoint
            for call in reversed(unit.calls):
                if is_open and call is unit.last_saving:
                    self._run_again(unit)
                self._back(call)
            for block in self.arguments.pop(unit.first, ()):
                self.heap.forget(block)

    def _run_again(self, unit: StepUnit) -> None:
        """A checkpoint's forward pass, as far as something is saved."""
        last = unit.last_saving
        assert last is not None
        frame = _Names(unit.calls, set())
        for key, block in zip(unit.reads, self.arguments[unit.first]):
            frame.maps[key] = self.heap.hold(block)

        for call in unit.calls:
            self._run(frame, call, "backward", saving=True)
            if call is last:
                break
        for block in frame.maps.values():
            self.heap.release(block)
        self._leave_autocast()

    def _back(self, call: StepCall) -> None:
        heap = self.heap
        arrived = self.gradients.pop(call.index, None)
        if arrived is None:
            self._forget(call)
            return

        heap.now = ("backward", call.name)
        if call.is_parameter:
            self._is_gradient(call, arrived)
            return
        heap.release(heap.make(call.backward_first))
        made = [(one, self._made(one, arrived)) for one in call.gradients]
        of_weights = self._made_of_weights(call)
        extra = heap.make(call.backward_extra)
        made = [(one, self._summed(one, block)) for one, block in made]
        heap.release(arrived)
        self._forget(call)
        heap.release(extra)

        if of_weights is not None:
            self._add_to_weights(call, of_weights)
        for one, block in made:
            self._arrives(one, self._in_own_type(one, block))

    def _made(self, one: Gradient, arrived: HeapBlock) -> HeapBlock:
        if one.is_handed_on:
            arrived.is_dense = arrived.is_dense and one.is_dense
            return self.heap.hold(arrived)
        return self._chain((*one.on_the_way, one.made))

    def _made_of_weights(self, call: StepCall) -> HeapBlock | None:
        if not call.weights_size:
            return None
        types = self.training.types
        if call.is_cast and types.lower is not None:
            return self.heap.make(call.weights_size // types.width * types.lower, COPIES)
        return self.heap.make(call.weights_size, GRADIENTS)

    def _add_to_weights(self, call: StepCall, made: HeapBlock) -> None:
        """The gradient of weights is new, or is added to that of another call."""
        heap = self.heap
        if call.is_cast:
            whole = heap.make(call.weights_size, GRADIENTS)
            heap.release(made)
            made = whole
        if call.weights in self.of_weights:
            heap.release(made)
        else:
            self.of_weights[call.weights] = made

    def _is_gradient(self, call: StepCall, arrived: HeapBlock) -> None:
        if arrived.holders > 1:
            copy = self.heap.make(arrived.size)
            self.heap.release(arrived)
            arrived = copy
        if call.weights_size and call.weights not in self.of_weights:
            self.heap.becomes(arrived, GRADIENTS)
            self.of_weights[call.weights] = arrived
        else:
            self.heap.release(arrived)

    def _summed(self, one: Gradient, block: HeapBlock) -> HeapBlock:
        return self._in_own_type(one, block) if one.is_summed else block

    def _in_own_type(self, one: Gradient, block: HeapBlock) -> HeapBlock:
        if one.made == one.size or block.size == one.size:
            return block
        cast = self.heap.make(one.size)
        self.heap.release(block)
        return cast

    def _arrives(self, one: Gradient, block: HeapBlock) -> None:
        """A gradient is the first of its map, or is added to what is there: in place where nobody else holds that."""
        heap = self.heap
        waiting = self.gradients.get(one.node)
        if waiting is None:
            self.gradients[one.node] = block
            return

        if waiting.holders > 1 or not waiting.is_dense:
            total = heap.make(one.size)
            heap.release(waiting)
            self.gradients[one.node] = total
        heap.release(block)

    def _forget(self, call: StepCall) -> None:
        for block in self.saved.pop(call.index, ()):
            self.heap.forget(block)

    # --- update -------------------------------------------------------------------------------------------------------

    def update(self) -> None:
        self.heap.now = ("update", "")
        optimizer = OPTIMIZERS[self.training.optimizer]
        if optimizer.temporaries:
            block = self.heap.make(self.weights * optimizer.temporaries, TEMPORARIES)
            self.heap.release(block)
