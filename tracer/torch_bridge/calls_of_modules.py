"""Modules of torch.nn that are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from tracer.importing.recording import Value
from tracer.torch_bridge.calls import Call

if TYPE_CHECKING:
    from tracer.torch_bridge.forward import Forward


class ModuleCall(Call):
    """One call of a module that is an operation."""

    def __init__(
        self,
        forward: Forward,
        module: torch.nn.Module,
        op_name: str,
        label: str,
        args: Any,
        kwargs: Any,
    ) -> None:
        super().__init__(forward, op_name, args, kwargs)
        self.module = module
        self.label = label

    def add_module(self, sources: Sequence[Any], arguments: Mapping[str, Any]) -> torch.Tensor:
        """The step; the module's weights are its own."""
        values = [*map(self.value, sources)]
        made = self.recording.add(self.name, values, arguments, self.label, owner=self.module)
        if getattr(self.module, "inplace", False):
            return self.forward.become(sources[0], made)
        return self.made(made)


def plain_module(call: ModuleCall, arguments: dict[str, Any]) -> torch.Tensor:
    """A module that is called with tensors only."""
    given = [*call.args, *call.kwargs.values()]
    if not all(isinstance(one, torch.Tensor) for one in given):
        raise call.refused(f"{call.label} ({call.name}) is called with more than tensors")
    made = call.add_module(given, arguments)
    if call.name in ("Identity", "Flatten", "Unflatten") or call.name.endswith(
        ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d")
    ):
        call.forward.share(given[0], made, whole=call.name not in ("Flatten", "Unflatten"))
    return made


def _pooled(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    if not arguments.pop("return_indices", False):
        return plain_module(call, arguments)
    made = plain_module(call, arguments)
    value = call.forward.value(made)
    assert value is not None
    with torch._C.DisableTorchFunctionSubclass():
        indices = torch.empty(value.shape, device="meta", dtype=torch.int64)
    call.forward.indices[id(indices)] = (indices, value)
    return made, indices


def _unpooled(call: ModuleCall, arguments: dict[str, Any]) -> torch.Tensor:
    words = call.bound("input indices output_size", output_size=None)
    known = call.forward.indices.get(id(words["indices"]))
    if known is None:
        raise call.refused("indices that no max pooling of this network gives")
    arguments["indices"] = known[1]
    if words["output_size"] is not None:
        arguments["output_size"] = _given_size(call, words["output_size"])
    return call.add_module([words["input"]], arguments)


def _transposed(call: ModuleCall, arguments: dict[str, Any]) -> torch.Tensor:
    words = call.bound("input output_size", output_size=None)
    if words["output_size"] is not None:
        arguments["output_size"] = _given_size(call, words["output_size"])
    return call.add_module([words["input"]], arguments)


def _given_size(call: ModuleCall, output_size: Any) -> Any:
    axes = int(call.name[-2])
    sizes = call.sizes(output_size)[-axes:]
    wanted = call.recording.target(sizes, 2)
    if not isinstance(wanted, Value):
        raise call.refused(
            f"{call.label} is given the output_size {tuple(map(int, sizes))}, which no tensor has"
        )
    return wanted


def _multihead(call: ModuleCall, arguments: dict[str, Any]) -> Any:
    words = call.bound(
        "query key value key_padding_mask need_weights attn_mask average_attn_weights is_causal",
        key_padding_mask=None, attn_mask=None,
    )  # fmt: skip
    if words["key_padding_mask"] is not None or words["attn_mask"] is not None:
        raise call.refused("attention with a mask")
    sources = [words["query"], words["key"], words["value"]]
    if sources[0] is sources[1] is sources[2]:
        sources = sources[:1]
    elif sources[1] is sources[2]:
        sources = sources[:2]
    return call.add_module(sources, arguments), None


MODULES: dict[str, Callable[[ModuleCall, dict[str, Any]], Any]] = {
    **{f"MaxPool{d}d": _pooled for d in (1, 2, 3)},
    **{f"MaxUnpool{d}d": _unpooled for d in (1, 2, 3)},
    **{f"ConvTranspose{d}d": _transposed for d in (1, 2, 3)},
    "MultiheadAttention": _multihead,
}
