"""torch's own samples of functions: ``op_db``'s inputs for every function that is an operation of ours.

They are what torch tests its functions with; samples of modules stand in ``test_module_tables``.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import settings

from tests.drawn.oracle import Case, Refused, ours
from tests.ops.test_module_tables import tables

COMPARED, OPERATIONS = 4652, 76
"""Samples that torch 2.13 has, and the operations that they are of."""

MAX_POOL = "kernel_size stride padding dilation ceil_mode return_indices"
AVG_POOL = "kernel_size stride padding ceil_mode count_include_pad divisor_override"
CONV, TRANSPOSED = (
    "stride padding dilation groups",
    "stride padding output_padding groups dilation",
)
RESIZE = "size scale_factor mode align_corners recompute_scale_factor antialias"
FRACTIONAL = "kernel_size output_size output_ratio return_indices _random_samples"
AXES = (1, 2, 3)

FUNCTIONS: dict[str, tuple[str, str]] = {
    "cat": ("Concat", "dim"),
    "stack": ("Stack", "dim"),
    **{
        name: (name.capitalize(), "")
        for name in ("add", "sub", "mul", "div", "maximum", "minimum")
    },
    "matmul": ("MatMul", ""),
    "chunk": ("Chunk", "chunks dim"),
    "reshape": ("Reshape", "shape"),
    "permute": ("Permute", "dims"),
    "transpose": ("Transpose", "dim0 dim1"),
    "squeeze": ("Squeeze", "dim"),
    "unsqueeze": ("Unsqueeze", "dim"),
    "mean": ("Mean", "dim keepdim"),
    "sum": ("Sum", "dim keepdim"),
    "amax": ("Amax", "dim keepdim"),
    "amin": ("Amin", "dim keepdim"),
    "broadcast_to": ("Expand", "shape"),
    "flatten": ("Flatten", "start_dim end_dim"),
    "unflatten": ("Unflatten", "dim unflattened_size"),
    "softmax": ("Softmax", "dim"),
    "log_softmax": ("LogSoftmax", "dim"),
    "nn.functional.softmin": ("Softmin", "dim"),
    "nn.functional.glu": ("GLU", "dim"),
    "nn.functional.interpolate": ("Interpolate", RESIZE),
    "nn.functional.upsample_nearest": ("UpsamplingNearest2d", "size scale_factor"),
    "nn.functional.upsample_bilinear": ("UpsamplingBilinear2d", "size scale_factor"),
    "nn.functional.unfold": ("Unfold", "kernel_size dilation padding stride"),
    "nn.functional.pixel_shuffle": ("PixelShuffle", "upscale_factor"),
    "nn.functional.pixel_unshuffle": ("PixelUnshuffle", "downscale_factor"),
    "nn.functional.channel_shuffle": ("ChannelShuffle", "groups"),
    "nn.functional.pad": ("Pad", "padding mode value"),
    "nn.functional.linear": ("Linear", ""),
    "nn.functional.bilinear": ("Bilinear", ""),
    "nn.functional.group_norm": ("GroupNorm", "num_groups"),
    "nn.functional.layer_norm": ("LayerNorm", "normalized_shape"),
    "nn.functional.rms_norm": ("RMSNorm", "normalized_shape"),
    "nn.functional.local_response_norm": ("LocalResponseNorm", "size alpha beta k"),
    "nn.functional.dropout": ("Dropout", "p"),
    "nn.functional.dropout2d": ("Dropout2d", "p"),
    "nn.functional.dropout3d": ("Dropout3d", "p"),
    "nn.functional.alpha_dropout": ("AlphaDropout", "p"),
    "nn.functional.feature_alpha_dropout": ("FeatureAlphaDropout", "p"),
    **{f"nn.functional.conv{n}d": (f"Conv{n}d", CONV) for n in AXES},
    **{f"nn.functional.conv_transpose{n}d": (f"ConvTranspose{n}d", TRANSPOSED) for n in AXES},
    **{f"nn.functional.max_pool{n}d": (f"MaxPool{n}d", MAX_POOL) for n in AXES},
    **{f"nn.functional.avg_pool{n}d": (f"AvgPool{n}d", AVG_POOL) for n in AXES},
    **{
        f"nn.functional.max_unpool{n}d": (
            f"MaxUnpool{n}d",
            "kernel_size stride padding output_size",
        )
        for n in AXES
    },
    **{
        f"nn.functional.fractional_max_pool{n}d": (f"FractionalMaxPool{n}d", FRACTIONAL)
        for n in (2, 3)
    },
    **{
        f"nn.functional.adaptive_avg_pool{n}d": (f"AdaptiveAvgPool{n}d", "output_size")
        for n in AXES
    },
    **{
        f"nn.functional.adaptive_max_pool{n}d": (
            f"AdaptiveMaxPool{n}d",
            "output_size return_indices",
        )
        for n in AXES
    },
}
"""A function's operation, and the names of its arguments after the tensors."""

PADS = {
    "constant": "Constant",
    "reflect": "Reflection",
    "replicate": "Replication",
    "circular": "Circular",
}


DEFAULTS: dict[str, dict[str, Any]] = {"Concat": {"dim": 0}, "Flatten": {"start_dim": 0}}
"""Where the function's default is not the operation's: Concat's is made for channels, Flatten's is the module's."""


def case(name: str, sample: Any) -> Case:
    """A sample as a question to an operation."""
    op, words = FUNCTIONS[name]
    values = (
        [*sample.input, *sample.args]
        if isinstance(sample.input, (list, tuple))
        else [sample.input, *sample.args]
    )
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    rest = values[len(tensors) :]
    if len(tensors) > 1:  # a weight or two, and None for a bias
        rest = [value for value in rest if value is not None]
    arguments = DEFAULTS.get(op, {}) | dict(zip(words.split(), rest)) | sample.kwargs
    arguments = {
        word: list(value) if isinstance(value, tuple) else value
        for word, value in arguments.items()
        if word in words.split() and value is not None and not isinstance(value, torch.Tensor)
    }
    x, weights = tensors[0], [tuple(tensor.shape) for tensor in tensors[1:]]
    if op == "Pad":
        op = f"{PADS[arguments.pop('mode', 'constant')]}Pad{len(arguments['padding']) // 2}d"
        value = arguments.pop("value", 0.0)
        arguments |= {"value": value} if op.startswith("Constant") else {}
    sizes: dict[str, tuple[int, ...]] = {}
    if op.startswith("MaxUnpool"):
        sizes = {"indices": weights.pop()}
        if "output_size" in arguments:
            sizes["output_size"] = tuple(arguments["output_size"])
        arguments |= dict.fromkeys(sizes, "node")
    else:
        arguments |= declared(op, weights, arguments.get("groups", 1))
    return Case(op, arguments, (tuple(x.shape), *weights), sizes)


def declared(op: str, weights: list[tuple[int, ...]], groups: int) -> dict[str, Any]:
    """What a module declares of its weights. Takes them from the list, so that the inputs are left."""
    if op.startswith("Conv"):
        first, second, *kernel = weights[0]
        weights.clear()
        if "Transpose" in op:
            return {
                "in_channels": first,
                "out_channels": second * groups,
                "kernel_size": kernel,
            }
        return {"in_channels": second * groups, "out_channels": first, "kernel_size": kernel}
    if op == "Linear":
        (out, into), *_ = weights
        weights.clear()
        return {"in_features": into, "out_features": out}
    if op == "Bilinear":
        out, first, second = weights[1]
        del weights[1:]
        return {"in1_features": first, "in2_features": second, "out_features": out}
    if op.endswith("Norm"):
        weights.clear()
    return {}


def answers() -> Iterator[tuple[Case, tuple[int, ...]]]:
    """Every sample's case, and the shape of what torch makes of it; a chunk each."""
    tables()  # what op_db imports is prepared there
    profile = settings.get_current_profile_name()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db

        settings.load_profile(profile)

        for info in op_db:
            for sample in (
                info.sample_inputs("cpu", torch.float32) if info.name in FUNCTIONS else ()
            ):
                asked = case(info.name, sample)
                y = info.op(sample.input, *sample.args, **sample.kwargs)
                if asked.op == "Chunk":
                    for index, part in enumerate(y):
                        yield (
                            asked._replace(arguments={**asked.arguments, "index": index}),
                            tuple(part.shape),
                        )
                else:
                    yield asked, tuple((y[0] if isinstance(y, tuple) else y).shape)


@pytest.mark.slow
def test_every_sample_of_torchs_functions_agrees() -> None:
    """The shape is the function's, for every sample in torch's table."""
    compared: Counter[str] = Counter()
    for asked, shape in answers():
        mine = ours(asked)
        assert not isinstance(mine, Refused) and mine == shape, (asked, mine, shape)
        compared[asked.op] += 1
    assert (compared.total() >= COMPARED, len(compared) >= OPERATIONS) == (True, True), compared
