"""torch as the judge of whole networks: runs a loaded network with real modules and functions, node by node.

Each module is made with the arguments that differ from the defaults (so that a default of ours that is not torch's
shows), sizes that the language infers (``in_channels``, ...) are read off the real input tensor, and dims over
symbols are evaluated by Python: no formula of tracer takes part. On the CPU every refusal is torch's own; the meta
device is for counting the parameters and FLOPs of networks that are too large to run here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

import tracer
from tests.drawn.oracle import REFUSALS, Case
from tests.ops.test_crop import center_crop, crop, slice_
from tests.ops.test_merge import torch_merge
from tests.ops.test_rearrange import chunk, function, squeeze
from tracer.network.records import DimPattern, Node
from tracer.ops.base import Op, given_arguments

Shape = tuple[int, ...]
Layer = Callable[..., torch.Tensor | tuple[torch.Tensor, torch.Tensor]]

MERGES = ("Concat", "Stack", "Add", "Sub", "Mul", "Div", "Maximum", "Minimum", "MatMul")
REARRANGEMENTS = ("Reshape", "Permute", "Transpose", "Unsqueeze", "Mean", "Sum")
FUNCTIONS: dict[str, Callable[[Case], Layer]] = {
    **dict.fromkeys(MERGES, torch_merge),
    **{name: function(name.lower()) for name in REARRANGEMENTS},
    "CenterCrop": center_crop,
    "Crop": crop,
    "Slice": slice_,
    "Chunk": chunk,
    "Squeeze": squeeze,
    "Interpolate": lambda case: partial(torch.nn.functional.interpolate, **case.arguments),
}
"""Operations that are no torch.nn module, as their agreement tests write them."""


class Run(NamedTuple):
    """What torch made of a network."""

    shapes: dict[str, Shape | None]
    """By node; None where torch refused, and behind a refusal."""
    refused: dict[str, str]
    """What torch said, by the node that it refused, in execution order."""
    params: dict[str, int]
    """Numbers in the parameters of each node's module."""
    flops: dict[str, int]
    """What FlopCounterMode counts of each node; empty unless asked for."""


def run(
    net: tracer.Net,
    sizes: Mapping[str, int] | None = None,
    ops: list[Op | None] | None = None,
    *,
    device: str = "cpu",
    count_flops: bool = False,
) -> Run:
    """Run a network for these sizes of its symbols; ``ops`` are those with every ``auto`` filled in."""
    network = net.network
    sizes = {**network.defaults(), **(sizes or {})}
    ops = net.solution(sizes).ops if ops is None else ops
    last_use = {source: node for node in network.nodes for source in sources(node)}
    unpooled = {
        node.operands["indices"] for node in network.nodes if "indices" in node.operands
    }
    values: dict[Node, torch.Tensor] = {}
    indices: dict[Node, torch.Tensor] = {}
    found = Run({}, {}, {}, {})
    with surroundings(device):
        for node, op in zip(network.nodes, ops):
            if node.is_input:
                values[node] = torch.zeros(
                    [sizes[d] if isinstance(d, str) else d for d in node.pattern]
                )  # type: ignore[misc]
            elif op is not None and all(source in values for source in sources(node)):
                counter = FlopCounterMode(display=False) if count_flops else None
                x = [values[source] for source in node.inputs]
                operands = {field: values[source] for field, source in node.operands.items()}
                if "indices" in operands:
                    # Which index stands where is a matter of values, and so is its reach in a smaller output.
                    operands["indices"] = torch.zeros_like(indices[node.operands["indices"]])
                try:
                    layer, module = layer_of(node, op, x, operands, sizes, node in unpooled)
                    with counter or nullcontext():
                        y = layer(*x)
                except REFUSALS as error:
                    found.refused[node.name] = f"{type(error).__name__}: {error}".splitlines()[
                        0
                    ]
                else:
                    values[node], indices[node] = y if isinstance(y, tuple) else (y, y)
                    found.params[node.name] = (
                        0 if module is None else sum(p.numel() for p in module.parameters())
                    )
                    if counter is not None:
                        found.flops[node.name] = counter.get_total_flops()
            found.shapes[node.name] = tuple(values[node].shape) if node in values else None
            for source in sources(node):
                if last_use[source] is node and source in values:
                    values[source] = indices[source] = torch.empty(0)  # no longer needed
    return found


@contextmanager
def surroundings(device: str) -> Iterator[None]:
    """Eval's. Attention's fused kernel is switched off, as FlopCounterMode counts nothing in it."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), torch.no_grad(), torch.device(device):
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def sources(node: Node) -> list[Node]:
    """The nodes whose tensors a node needs."""
    return [*node.inputs, *node.operands.values()]


def layer_of(
    node: Node,
    op: Op,
    x: list[torch.Tensor],
    operands: dict[str, torch.Tensor],
    sizes: Mapping[str, int],
    unpooled: bool = False,
) -> tuple[Layer, torch.nn.Module | None]:
    """What to call with the inputs, and the module in it; raises what torch raises when a module is made.

    A pool that is ``unpooled`` has to return its indices, whatever its arguments say.
    """
    arguments = {
        word: value for word, value in given_arguments(op).items() if word not in operands
    }
    for word, dims in node.dim_fields.items():
        arguments[word] = (
            tuple(dim_of(d, sizes) for d in dims)
            if isinstance(dims, tuple)
            else dim_of(dims, sizes)
        )
    name = node.op_name
    if name in FUNCTIONS:
        shapes = {field: tuple(tensor.shape) for field, tensor in operands.items()}
        if name == "Interpolate" and shapes:
            arguments["size"] = shapes["size"][2:]
        elif shapes:
            arguments |= {word: source.name for word, source in node.operands.items()}
        arguments = {
            word: list(value) if isinstance(value, tuple) else value
            for word, value in arguments.items()
        }
        return FUNCTIONS[name](Case(name, arguments, (), shapes)), None
    arguments = inferred(name, x) | arguments
    if "size" in operands:
        arguments["size"] = tuple(operands["size"].shape[2:])
    if isinstance(arguments.get("dtype"), str):
        arguments["dtype"] = getattr(torch, arguments["dtype"])
    if unpooled:
        arguments["return_indices"] = True
    module: torch.nn.Module = getattr(torch.nn, name)(**arguments).eval()
    call: Layer = module
    if "indices" in operands:
        wanted = operands.get("output_size")
        call = partial(
            module,
            indices=operands["indices"],
            output_size=None if wanted is None else wanted.shape,
        )
    elif "output_size" in operands:
        model, axes = operands["output_size"], int(name[-2])
        if model.dim() < axes:
            raise ValueError(f"output_size {tuple(model.shape)}")
        call = partial(module, output_size=list(model.shape[-axes:]))
    elif name == "MultiheadAttention":
        call = partial(attention, module)
    return call, module


def dim_of(dim: DimPattern, sizes: Mapping[str, int]) -> Any:
    """A dim over the symbols, by Python; the language takes whole numbers from 0 on."""
    if isinstance(dim, int) or dim is None:
        return dim
    n = sizes[dim] if isinstance(dim, str) else eval(dim.text, {}, dict(sizes))
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"the dim {dim} is {n}")
    return n


def attention(module: torch.nn.Module, *x: torch.Tensor) -> torch.Tensor:
    """One input is query, key and value; the second of two is key and value."""
    query, key, value = x if len(x) == 3 else (x[0], x[-1], x[-1])
    return module(query, key, value)[0]  # type: ignore[no-any-return]


def inferred(name: str, x: list[torch.Tensor]) -> dict[str, Any]:
    """The arguments that a config may leave out, from the real inputs."""
    shape = x[0].shape
    if name.startswith("Conv"):
        return {"in_channels": shape[-1 - int(name[-2])]}
    if name.startswith("InstanceNorm"):
        return {"num_features": shape[-1 - int(name[-2])]}
    if "BatchNorm" in name:
        return {"num_features": shape[1]}
    if name == "GroupNorm":
        return {"num_channels": shape[1]}
    if name in ("LayerNorm", "RMSNorm"):
        return {"normalized_shape": shape[-1]}
    if name == "Linear":
        return {"in_features": shape[-1]}
    if name == "MultiheadAttention":
        return {"embed_dim": shape[-1]}
    if name == "Bilinear":
        return {"in1_features": shape[-1], "in2_features": x[1].shape[-1]}
    return {}
