"""Tensors that a forward computes from parameters alone: a table that is indexed, two halves that are complex numbers.

One is a parameter of its own in the config, where that counts as many numbers as the module has. Otherwise it is the
steps that compute it, from the parameter itself on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from tracer.importing.recording import Value
from tracer.torch_bridge import dispatch
from tracer.torch_bridge.calls_made import MadeCall, tensors_in
from tracer.torch_bridge.tensors import Computed, Tensors


class ComputedCall:
    """One call of a function of torch with parameters, and with nothing of the input."""

    def __init__(self, tensors: Tensors, call: MadeCall) -> None:
        self.tensors = tensors
        self.call = call
        self.scopes = tuple(tensors.recording.scopes)
        self.origin = tensors.recording.origin()
        self.before = self._versions()
        self.parameters = self._parameters()

    def made(self, result: Any) -> None:
        """Note the tensors that it gave."""
        given = {id(tensor): tensor for tensor in self.call.given()}
        after = self._versions()
        for number, tensor in enumerate(tensors_in(result)):
            if id(tensor) not in given:
                self._note(tensor, partial(self._steps, number, after))
            elif after != self.before:
                self._note_changed(tensor, after)

    def _note(self, tensor: torch.Tensor, steps: Callable[[], Value | None]) -> None:
        version = tensor._version

        def unless_changed() -> Value | None:
            return steps() if tensor._version == version else None

        self.tensors.computed[tensor] = Computed(self.parameters, unless_changed, steps)

    def _note_changed(self, tensor: torch.Tensor, after: Sequence[int]) -> None:
        """Note a tensor that it was given, and has changed in place."""
        known = self.tensors.computed.get(tensor)

        def steps() -> Value | None:
            value = known and known.before_a_change()
            if value is None:
                return None
            self.tensors.note_constant(tensor, value)
            return self._steps(0, after)

        self._note(tensor, steps)

    def _steps(self, number: int, versions: Sequence[int]) -> Value | None:
        """The value of what it gave, by a step of the config.

        None where it has no operation, or where what it was given has changed since.
        """
        call, recording = self.call, self.tensors.recording
        if call.name == "__setitem__" or self._versions() != versions:
            return None

        guards = recording.guards.made
        before = len(guards)
        with recording.back_at(self.scopes, self.origin), recording.in_torch():
            try:
                given = dispatch.call(self.tensors, call.func, call.args, call.kwargs)
                return self.tensors.taken(tensors_in(given)[number])
            except Exception:  # no operation takes it so
                del guards[before:]
                return None

    def _parameters(self) -> Mapping[int, torch.Tensor]:
        """The parameters that are in it, by their identity."""
        found: dict[int, torch.Tensor] = {}
        for tensor in self.call.given():
            computed = self.tensors.computed.get(tensor)
            if computed is not None:
                found |= computed.parameters
            elif self.tensors.is_learned(tensor):
                found[id(tensor)] = tensor
        return found

    def _versions(self) -> list[int]:
        """How often each tensor that it was given was written into."""
        return [tensor._version for tensor in self.call.given()]
