"""Words of torch and of other tools for what a config calls otherwise: the hints about unknown names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

from tracer.network.records import Declaration, Node
from tracer.network.values import did_you_mean, nearest
from tracer.ops.base import Op
from tracer.ops.merge import Merge
from tracer.ops.registry import find_operation, operation_names
from tracer.source.tree import Fault

LONGEST = 80
"""A word of more characters is nobody's name of an operation."""

_RANKED = re.compile(r"(?P<family>.*?)_?(?P<axes>[123])d\Z")

FAMILIES = {
    "avgpooling": "AvgPool",
    "averagepooling": "AvgPool",
    "batchnormalization": "BatchNorm",
    "bn": "BatchNorm",
    "bnorm": "BatchNorm",
    "cat": "Concat",
    "concatenate": "Concat",
    "concatenation": "Concat",
    "convtransposed": "ConvTranspose",
    "convolution": "Conv",
    "convolutiontranspose": "ConvTranspose",
    "deconv": "ConvTranspose",
    "deconvolution": "ConvTranspose",
    "dense": "Linear",
    "fc": "Linear",
    "fullyconnected": "Linear",
    "gap": "AdaptiveAvgPool",
    "globalaveragepooling": "AdaptiveAvgPool",
    "globalavgpool": "AdaptiveAvgPool",
    "globalmaxpool": "AdaptiveMaxPool",
    "globalmaxpooling": "AdaptiveMaxPool",
    "groupnormalization": "GroupNorm",
    "in": "InstanceNorm",
    "instancenormalization": "InstanceNorm",
    "layernormalization": "LayerNorm",
    "maxpooling": "MaxPool",
    "multiply": "Mul",
    "plus": "Add",
    "resize": "Interpolate",
    "skip": "Concat",
    "swish": "SiLU",
    "transposeconv": "ConvTranspose",
    "transposedconv": "ConvTranspose",
    "transposedconvolution": "ConvTranspose",
    "unpool": "MaxUnpool",
    "upconv": "ConvTranspose",
    "upconvolution": "ConvTranspose",
    "upsampling": "Upsample",
    "view": "Reshape",
    "zeropadding": "ZeroPad",
}
"""Other words for operations, in lower case and without their dims."""

ARGUMENTS = {
    "channels": ("out_channels", "out_features", "num_features", "num_channels"),
    "channels_in": ("in_channels", "in_features", "num_features", "num_channels"),
    "channels_out": ("out_channels", "out_features"),
    "dilation_rate": ("dilation",),
    "factor": ("scale_factor",),
    "features": ("out_features", "num_features", "out_channels"),
    "filters": ("out_channels", "out_features"),
    "in": ("in_channels", "in_features", "num_features", "num_channels"),
    "in_ch": ("in_channels", "in_features"),
    "in_dim": ("in_features", "in_channels"),
    "in_planes": ("in_channels",),
    "inplanes": ("in_channels",),
    "k": ("kernel_size",),
    "kernel": ("kernel_size",),
    "kernel_shape": ("kernel_size",),
    "ksize": ("kernel_size",),
    "out": ("out_channels", "out_features"),
    "out_ch": ("out_channels", "out_features"),
    "out_dim": ("out_features", "out_channels"),
    "out_planes": ("out_channels",),
    "outplanes": ("out_channels",),
    "pads": ("padding",),
    "pad": ("padding",),
    "planes": ("out_channels",),
    "pool_size": ("kernel_size",),
    "rate": ("p", "dilation"),
    "scale": ("scale_factor",),
    "size": ("kernel_size", "output_size"),
    "units": ("out_features", "out_channels"),
    "use_bias": ("bias",),
}
"""Other words for arguments, and the arguments that they may stand for."""

SOURCES = frozenset(
    ("bottom", "inbound_nodes", "input", "inputs", "skip", "skips", "source", "sources")
)
"""Other words for ``from``."""

OWN_LAYERS = frozenset(
    (
        "act",
        "act_layer",
        "activation",
        "activation_fn",
        "batch_norm",
        "bn",
        "dropout",
        "nonlinearity",
        "norm",
        "norm_layer",
        "normalization",
        "pool",
        "pooling",
        "upsample",
    )
)
"""Arguments of other tools that are a layer of their own here."""


# --- operations ------------------------------------------------------------------------------------------------------


def operation_hint(written: str, blocks: Iterable[str], axes: int | None) -> str:
    """The hint for an unknown operation; ``axes`` is the number of the network's spatial dims, where it has one.

    >>> operation_hint("torch.nn.Deconv2d", [], None), operation_hint("batch_norm", [], 3)
    ("did you mean 'ConvTranspose2d'?", "did you mean 'BatchNorm3d'?")
    >>> operation_hint("Conv", [], None), operation_hint("ReLU(inplace=True)", [], None)
    ('there are Conv1d, Conv2d, Conv3d', 'write {op: ReLU, inplace: true}')
    >>> operation_hint("torch.cat([up, enc1], dim=1)", [], None)
    'write {op: Concat, from: [up, enc1], dim: 1}'
    """
    call = _call_hint(written, axes)
    if call is not None:
        return call
    own = nearest(written, list(blocks))
    if own is not None:
        return f"did you mean {own!r}?"

    found = operations_meant(written, axes)
    if len(found) == 1:
        return f"did you mean {found[0]!r}?"
    return f"there are {', '.join(found)}" if found else "`tracer ops` lists the operations"


def operations_meant(written: str, axes: int | None) -> list[str]:
    """The operation that a word stands for, or its forms for each number of dims; none where it is far from all."""
    word = written.rpartition(".")[2]
    if not word or len(word) > LONGEST:
        return []
    plain = word.lower().replace("_", "").replace("-", "")
    known = {name.lower(): name for name in operation_names()}
    if plain in known:
        return [known[plain]]

    ranked = _RANKED.match(plain)
    if ranked:
        plain, axes = ranked["family"], int(ranked["axes"])
    meant = _family(plain, known)
    return [] if meant is None else _forms(meant, axes, known)


def _forms(family: str, axes: int | None, known: Mapping[str, str]) -> list[str]:
    """The operations of a family: the one for a number of dims where there is one, otherwise all."""
    if family.lower() in known:
        return [family]
    forms = [f"{family}{n}d" for n in (1, 2, 3)]
    own = f"{family}{axes}d"
    return [own] if own.lower() in known else [form for form in forms if form.lower() in known]


def _family(word: str, known: Mapping[str, str]) -> str | None:
    """The operation's name without its dims that a word is, or is near to."""
    families = {_without_axes(name).lower(): _without_axes(name) for name in known.values()}
    words = {**FAMILIES, **families}
    if word in words:
        return words[word]

    found = difflib.get_close_matches(word, list(families), 1, 0.7)
    # Long words of other tools have much in common without being one another's misspelling.
    found = found or difflib.get_close_matches(word, list(FAMILIES), 1, 0.9)
    return words[found[0]] if found else None


def _without_axes(name: str) -> str:
    ranked = re.match(r"(.*)[123]d\Z", name)
    return ranked[1] if ranked else name


def spatial_axes(nodes: Sequence[Node]) -> int | None:
    """The number of spatial dims of the inputs, batched; None where they have several numbers of dims, or too few."""
    # The inputs stand first, and this is asked for every use of a block.
    inputs = takewhile(lambda node: node.is_input, nodes)
    ranks = {len(node.pattern) - 2 for node in inputs}
    return ranks.pop() if len(ranks) == 1 and ranks <= {1, 2, 3} else None


# --- calls of Python -------------------------------------------------------------------------------------------------


def _call_hint(written: str, axes: int | None) -> str | None:
    """The mapping to write for a call such as ``Conv2d(32, 4, 1)``; None where it is none of a known operation."""
    call = _call(written)
    if call is None:
        return None
    meant = operations_meant(call.function, axes)
    cls = find_operation(meant[0]) if len(meant) == 1 else None
    if cls is None:
        return None

    parts = [f"op: {meant[0]}", *_from(call, cls), *_arguments(call, cls)]
    return f"write {{{', '.join(parts)}}}" if len(parts) > 1 else f"write {meant[0]}"


def _from(call: PythonCall, cls: type[Op]) -> Iterator[str]:
    """The ``from`` of the maps that a function or a merge is called with."""
    groups = call.sources[: call.maps(cls)]
    sources = [name for group in groups for name in group]
    if len(sources) == 1:
        yield f"from: {sources[0]}"
    elif sources:
        yield f"from: [{', '.join(sources)}]"


def _arguments(call: PythonCall, cls: type[Op]) -> Iterator[str]:
    """The other arguments of a call, but for those that the incoming shape gives."""
    names = cls.positional or cls.__struct_encode_fields__
    if issubclass(cls, Merge):
        names = tuple(word for word in cls.__struct_encode_fields__ if word == "dim")

    rest = call.positional[call.maps(cls) :]
    values = {**dict(zip(names, rest)), **call.named}
    for word, value in values.items():
        if word not in _INFERRED:
            yield f"{word}: {value}"


class PythonCall(NamedTuple):
    """A call of Python's, its values as YAML has them."""

    function: str
    positional: list[str]
    named: dict[str, str]
    sources: list[list[str]]
    """The names in each of the first positional arguments, as far as they are names or lists of names."""

    def maps(self, cls: type[Op]) -> int:
        """The number of its first arguments that are maps: all names of a merge, the first one of a function."""
        if issubclass(cls, Merge):
            return len(self.sources)
        is_function = self.function.rpartition(".")[2][:1].islower()
        return min(len(self.sources), 1) if is_function else 0


def _call(written: str) -> PythonCall | None:
    """The call that a text is; None for another text."""
    if not written.endswith(")") or len(written) > 4 * LONGEST:
        return None
    import ast

    try:
        call = ast.parse(written, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not isinstance(call, ast.Call):
        return None

    given = [value for value in call.args if not isinstance(value, ast.Starred)]
    positional = [_value_of_python(value) for value in given]
    named = {word.arg: _value_of_python(word.value) for word in call.keywords if word.arg}
    sources = list(takewhile(bool, map(_names, given)))
    return PythonCall(ast.unparse(call.func), positional, named, sources)


def _names(value: object) -> list[str]:
    """The names that an expression of Python's is: one, or a list of them; none where it is anything else."""
    import ast

    items = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    names = [item.id for item in items if isinstance(item, ast.Name)]
    return names if len(names) == len(items) else []


_INFERRED = frozenset(("in_channels", "in_features", "num_channels", "num_features"))
"""Arguments that the incoming shape gives: they are left out."""


def _value_of_python(value: object) -> str:
    """A value of Python's as YAML has it; an expression over names in its braces."""
    import ast

    from tracer.ops.base import written

    assert isinstance(value, ast.expr)
    try:
        return written(ast.literal_eval(value))
    except (ValueError, TypeError):
        return f'"${{{ast.unparse(value)}}}"'


# --- keys -------------------------------------------------------------------------------------------------------------


def top_level_hint(word: str, known: Iterable[str]) -> str | None:
    """The hint for an unknown key of a config."""
    if "skip" in word.lower():
        return "skips are the `from` of a merge: `cat: {op: Concat, from: [up, enc1]}`"
    return did_you_mean(word, known)


# --- arguments -------------------------------------------------------------------------------------------------------


def argument_hint(
    declaration: Declaration, known: Sequence[str], axes: int | None = None
) -> str | None:
    """The hint for the arguments of a declaration that are not known."""
    unknown = [word for word in declaration.arguments if word not in known]
    first = unknown[0]
    if first.lower() in SOURCES:
        return "did you mean `from`?"

    meant = {word: found for word in unknown if (found := _argument(word, known))}
    if first in meant:
        return _instead(meant)
    if first.lower() in OWN_LAYERS:
        return _own_layer(declaration, first, axes)
    return did_you_mean(first, known)


def _instead(meant: Mapping[str, str]) -> str:
    """The hint that names an argument for each word of another tool."""
    if len(meant) == 1:
        return f"did you mean {next(iter(meant.values()))!r}?"
    pairs = ", ".join(f"`{found}` instead of {word!r}" for word, found in meant.items())
    return f"did you mean {pairs}?"


def _argument(word: str, known: Sequence[str]) -> str | None:
    """The known argument that another tool's word stands for."""
    return next((name for name in ARGUMENTS.get(word.lower(), ()) if name in known), None)


def _own_layer(declaration: Declaration, word: str, axes: int | None) -> str:
    value = declaration.arguments[word][1].value
    meant = operations_meant(value, axes) if isinstance(value, str) else []
    op = meant[0] if len(meant) == 1 else "ReLU" if word.startswith("act") else "..."
    return f"it is a layer of its own, behind {declaration.name}: `{declaration.name}_{word}: {op}`"


def list_written_as_tuple(text: str) -> str | None:
    """The list of YAML's for a tuple of Python's.

    >>> list_written_as_tuple("(3, 3)"), list_written_as_tuple("(H)")
    ('[3, 3]', None)
    """
    inner = text.strip()
    if not (inner.startswith("(") and inner.endswith(")") and "," in inner):
        return None
    items = [item.strip() for item in inner[1:-1].split(",")]
    return f"[{', '.join(item for item in items if item)}]"


def torn_tuple(declaration: Declaration) -> tuple[str, str] | None:
    """The argument whose tuple YAML takes apart at its commas, inside of braces, and the list to write instead."""
    word = ""
    parts: list[str] = []
    for key, (_, node) in declaration.arguments.items():
        value = node.value if isinstance(node.value, str) else ""
        if value.startswith("(") and ")" not in value:
            word, parts = key, [value]
            continue

        # What follows the comma is a key without a value.
        parts = [*parts, key] if parts and not value else []
        written = list_written_as_tuple(", ".join(parts))
        if written is not None:
            return word, written
    return None


def unknown_argument(
    owner: str, declaration: Declaration, known: Sequence[str], axes: int | None
) -> Fault | None:
    """The fault of the first argument that ``owner`` does not have; None where it has them all."""
    first = next((word for word in declaration.arguments if word not in known), None)
    if first is None:
        return None

    torn = torn_tuple(declaration)
    if torn is not None:
        word, written = torn
        message = f"{word} is no list: YAML knows no tuples, and ends a value at the comma"
        at = declaration.arguments[word][1]
        return Fault("T004", message, at, f"write `{word}: {written}`")

    message = f"{owner} has no argument {first!r}"
    at = declaration.arguments[first][0]
    return Fault("T003", message, at, argument_hint(declaration, known, axes))
