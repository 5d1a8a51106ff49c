"""Recurrent networks and their cells, which give several tensors."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.utils.rnn import PackedSequence

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import ModuleCall, TorchCall, handles, handles_modules

PACKED = "a PackedSequence, whose sequences have lengths of their own; give the padded tensor"


@handles("_pack_padded_sequence", "_pad_packed_sequence")
def _packed(call: TorchCall) -> Any:
    raise call.refused(PACKED)


@handles_modules(nn.RNN, nn.GRU)
def _states(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    sources = _sources(call)
    output = call.add_later(*sources, **arguments)
    return output, call.add_later(*sources, **arguments, result="h_n")


@handles_modules(nn.LSTM)
def _states_of_two_kinds(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    sources = _sources(call)
    output = call.add_later(*sources, **arguments)
    last = call.add_later(*sources, **arguments, result="h_n")
    return output, (last, call.add_later(*sources, **arguments, result="c_n"))


@handles_modules(nn.LSTMCell)
def _two_states(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    sources = _sources(call)
    state = call.add_later(*sources, **arguments)
    return state, call.add_later(*sources, **arguments, result="c_1")


@handles_modules(nn.RNNCell, nn.GRUCell)
def _state(call: ModuleCall, arguments: dict[str, Any]) -> Value:
    sources = _sources(call)
    made: Value = call.add_module(*sources, **arguments)
    return made


def _sources(call: ModuleCall) -> list[Any]:
    """The sequence, and the state before the first step where it is not zero."""
    words = call.bound("input hx", hx=None)
    if isinstance(words.input, PackedSequence):
        raise call.refused(PACKED)

    state = words.hx
    if state is None:
        return [words.input]
    several = list(state) if isinstance(state, (tuple, list)) else [state]
    return [words.input, *several]
