"""nnU-Net's plans: each of their configurations is a U-Net of stages, and is read as data.

The second version's plans name the network's class with its arguments; before these, a configuration had the kernels,
strides and numbers of convolutions itself, and the rest was the same for all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from yaml.nodes import SequenceNode

from tracer.designing.config_text import ConfigText
from tracer.designing.stages import Axes, LayerKind, Staged, Unit, config_of
from tracer.designing.style import by
from tracer.diagnostics import TracerError
from tracer.loading import decoded, read_bytes
from tracer.neighbours.asked import Asked, ConfigFound
from tracer.neighbours.parts import Part, no_such_key
from tracer.network.foreign import listed, which_plans
from tracer.ops.base import registry
from tracer.source.python_places import Place
from tracer.source.tree import Fault, compose

CLASSES = {
    "PlainConvUNet": (False, False),
    "ResidualEncoderUNet": (True, False),
    "ResidualUNet": (True, True),
}
"""The classes of networks that plans name: whether the encoder is residual, and the decoder."""

ARGUMENTS = ("input_channels", "num_classes", "deep_supervision")
"""What is no part of the plans."""


class Ends(NamedTuple):
    """The channels that come in and go out."""

    channels: int
    classes: int
    told: str
    """Where they are from."""


def read(root: Part, asked: Asked) -> ConfigFound:
    """The config of the configuration that is asked for. Raises :class:`Fault`."""
    configurations = root.need("configurations").parts
    name = _name(root, configurations, asked.key)
    configuration = _inherited(name, configurations)
    ends = _ends(configuration, asked)
    heads = _heads(asked.arguments, root)
    config = config_of(_staged(name, configuration, ends, heads))
    return ConfigFound(
        config.text(),
        [f"{name}: {ends.told}"],
        _places(config, configuration, asked.shown or asked.path),
        "`patch_size` fits where each axis is a multiple of the product of its strides",
        "patch_size",
    )


def _name(root: Part, configurations: Mapping[str, Part], key: str | None) -> str:
    """The name of the configuration."""
    if key is not None:
        name = key.removeprefix("configurations.")
        if name not in configurations:
            raise no_such_key(name, "`configurations`", configurations, _at(root))
        return name
    if len(configurations) == 1:
        return next(iter(configurations))
    raise Fault("T603", which_plans(configurations), _at(root))


def _at(root: Part) -> Any:
    """The key that the configurations stand under."""
    return next(key for key, _ in root.node.value if key.value == "configurations")


class Configuration(NamedTuple):
    """A configuration, with what it inherits: the innermost part that says something counts."""

    chain: Sequence[Part]

    def get(self, key: str) -> Part | None:
        """The value of a key; None where neither it nor what it inherits from has one."""
        return next((found for one in self.chain if (found := one.get(key))), None)

    def need(self, key: str) -> Part:
        """The value of a key. Raises :class:`Fault` where there is none."""
        return self.get(key) or self.chain[0].need(key)


def _inherited(name: str, configurations: Mapping[str, Part]) -> Configuration:
    chain = [configurations[name]]
    names = [name]
    while (parent := chain[-1].get("inherits_from")) is not None:
        name = parent.text()
        if name in names:
            raise Fault("T103", f"{parent.path} leads back to {name}", parent.node)
        if name not in configurations:
            raise no_such_key(name, "`configurations`", configurations, parent.node)
        names.append(name)
        chain.append(configurations[name])
    return Configuration(chain)


# --- places ----------------------------------------------------------------------------------------------------------


def _places(config: ConfigText, configuration: Configuration, path: str) -> dict[str, Place]:
    """What each layer follows from: the strides on the way up, and the patch, which has to fit where ways meet."""
    patch = configuration.need("patch_size")
    architecture = configuration.get("architecture")
    if architecture is None:
        strides = configuration.need("pool_op_kernel_sizes")
    else:
        strides = architecture.need("arch_kwargs").need("strides")

    layers = [layer.name for section in config.sections.values() for layer in section]
    at_patch = _at_line(patch, path)
    at_strides = _at_line(strides, path)
    is_up = re.compile(r"up\d+")
    found = {name: at_strides if is_up.fullmatch(name) else at_patch for name in layers}
    return {"input": at_patch, **found}


def _at_line(part: Part, path: str) -> Place:
    return Place(part.line(path), None)


# --- channels --------------------------------------------------------------------------------------------------------


def _ends(configuration: Configuration, asked: Asked) -> Ends:
    """The channels of the input and the classes: as they are given, of the data set, or assumed."""
    known = asked.arguments
    unknown = [word for word in known if word not in ARGUMENTS]
    if unknown:
        raise no_such_key(unknown[0], "what plans leave open (--arg)", ARGUMENTS, None)

    channels, classes = (_given(known, word) for word in ARGUMENTS[:2])
    dataset = _dataset(asked.path)
    own = (1, 2)
    why = "assumed, as no dataset.json lies beside it"
    if dataset is not None:
        own = _of_dataset(dataset, configuration.get("previous_stage"))
        why = f"of {dataset.path}"

    told = [
        _counted(channels, own[0], "channel", why, ARGUMENTS[0]),
        _counted(classes, own[1], "class", why, ARGUMENTS[1]),
    ]
    return Ends(channels or own[0], classes or own[1], "; ".join(told))


def _counted(given: int | None, own: int, word: str, why: str, argument: str) -> str:
    """How many there are, and who says so."""
    count = given or own
    many = (
        f"{count} {word}" if count == 1 else f"{count} {word}{'es' if word[-1] == 's' else 's'}"
    )
    return f"{many} {why} (--arg {argument}=N)" if given is None else f"{many} as given"


def _given(known: Mapping[str, Any], word: str) -> int | None:
    value = known.get(word)
    if value is not None and (type(value) is not int or value < 1):
        raise Fault("T004", f"--arg {word} must be a positive integer", None)
    return value


def _heads(known: Mapping[str, Any], root: Part) -> bool:
    """Whether every level has a head, as in nnU-Net's training."""
    value = known.get("deep_supervision", True)
    if type(value) is not bool:
        raise Fault("T004", "--arg deep_supervision must be true or false", root.node)
    return value


def _dataset(path: str) -> Part | None:
    """What lies beside the plans about the data; None where nothing does."""
    beside = os.path.join(os.path.dirname(path), "dataset.json")
    if path == "-" or not os.path.isfile(beside):
        return None
    try:
        root = compose(decoded(read_bytes(beside), beside))
    except (OSError, TracerError, Fault) as error:
        raise Fault("T001", f"{beside} cannot be read: {error}", None) from None
    return Part(root, beside)


def _of_dataset(dataset: Part, previous: Part | None) -> tuple[int, int]:
    """The channels and classes of the data; a cascade's second stage gets the first one's answer too.

    Without regions the background is a class; a label that is to be ignored is none.
    """
    names = dataset.get("channel_names") or dataset.get("modality")
    labels = dataset.get("labels")
    if names is None or labels is None:
        missing = "channel_names" if names is None else "labels"
        raise Fault("T201", f"{dataset.path} has no `{missing}`", None)

    found = _labels(labels)
    before = len(found.numbers - {0}) if previous is not None else 0
    return len(names.parts) + before, found.classes


class Labels(NamedTuple):
    """The labels of a data set."""

    numbers: frozenset[Any]
    classes: int


def _labels(labels: Part) -> Labels:
    regions = {name: one for name, one in labels.parts.items() if name != "ignore"}
    numbers = frozenset(n for one in regions.values() for n in _numbers(one.value))
    if any(isinstance(one.node, SequenceNode) for one in regions.values()):
        return Labels(numbers, len(regions.keys() - {"background"}))
    return Labels(numbers, len(numbers))


def _numbers(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- the network -----------------------------------------------------------------------------------------------------


class Architecture(NamedTuple):
    """A class of networks, and its arguments."""

    kind: tuple[bool, bool]
    arguments: Part
    unit: Unit
    depths: str
    """The argument that has the numbers of convolutions or blocks."""


def _staged(name: str, configuration: Configuration, ends: Ends, heads: bool) -> Staged:
    patch = tuple(one.integer() for one in configuration.need("patch_size").items())
    batch = configuration.get("batch_size")
    common = {
        "name": name,
        "patch": patch,
        "batch": 2 if batch is None else batch.integer(),
        "in_channels": ends.channels,
        "classes": ends.classes,
        "heads": heads,
    }
    architecture = configuration.get("architecture")
    if architecture is None:
        return _before_architectures(configuration, common)
    return _of_architecture(architecture, common)


def _of_architecture(architecture: Part, common: dict[str, Any]) -> Staged:
    """The network of a class with its arguments."""
    kind = _kind(architecture.need("network_class_name"))
    arguments = architecture.need("arch_kwargs")
    unit = _unit(arguments, len(common["patch"]))

    depths = arguments.need("n_blocks_per_stage" if kind[0] else "n_conv_per_stage")
    stages = arguments.need("n_stages").integer()
    known = _PerStage(stages, unit.dims)
    features = known.numbers(arguments.need("features_per_stage"))
    stem = arguments.get("stem_channels")
    first = features[0] if stem is None else stem.integer()
    block = arguments.get("block")
    if block is not None and not block.text().endswith("BasicBlockD"):
        raise Fault(
            "T601", f"{block.name}: blocks other than BasicBlockD are not read", block.node
        )

    decoder = _PerStage(stages - 1, unit.dims).numbers(
        arguments.need("n_conv_per_stage_decoder")
    )
    return Staged(
        about=_about(common, architecture.need("network_class_name").text()),
        unit=unit,
        strides=known.axes(arguments.need("strides")),
        kernels=known.axes(arguments.need("kernel_sizes")),
        channels=features,
        depths=known.numbers(depths),
        decoder_depths=decoder[::-1],
        residual=kind[0],
        residual_decoder=kind[1],
        stem=first if kind[0] else None,
        **common,
    )


def _before_architectures(configuration: Configuration, common: dict[str, Any]) -> Staged:
    """The network of a configuration that has the numbers itself; convolutions, norms and activations are the same."""
    named = configuration.get("UNet_class_name")
    if named is None:
        own = configuration.chain[0]
        message = f"{own.name} has no network: neither `architecture` nor `UNet_class_name`"
        raise Fault("T201", message, own.node)
    kind = _kind(named)
    dims = len(common["patch"])
    norm = LayerKind(f"InstanceNorm{dims}d", {"affine": True})
    unit = Unit(dims, norm=norm, activation=LayerKind("LeakyReLU", {"inplace": True}))

    depths = configuration.need("n_conv_per_stage_encoder")
    stages = len(depths.items())
    known = _PerStage(stages, dims)
    base = configuration.need("UNet_base_num_features").integer()
    most = configuration.need("unet_max_num_features").integer()
    decoder = configuration.need("n_conv_per_stage_decoder")
    channels = [min(base << stage, most) for stage in range(min(stages, 60))]
    return Staged(
        about=_about(common, named.text()),
        unit=unit,
        strides=known.axes(configuration.need("pool_op_kernel_sizes")),
        kernels=known.axes(configuration.need("conv_kernel_sizes")),
        channels=channels,
        depths=known.numbers(depths),
        decoder_depths=_PerStage(stages - 1, dims).numbers(decoder)[::-1],
        residual=kind[0],
        residual_decoder=kind[1],
        stem=channels[0] if kind[0] else None,
        **common,
    )


def _kind(named: Part) -> tuple[bool, bool]:
    name = named.text().rpartition(".")[2]
    if name not in CLASSES:
        raise Fault(
            "T601",
            f"{named.name}: {name} is none of the networks that are read of plans",
            named.node,
            f"these are {listed(CLASSES)}; of another one give the module itself, package.module:callable",
        )
    return CLASSES[name]


def _about(common: Mapping[str, Any], network: str) -> list[str]:
    levels = "each level" if common["heads"] else "the finest level"
    return [
        f"The configuration {common['name']} of nnU-Net plans, {network.rpartition('.')[2]}.",
        "",
        f"Patch {by(common['patch'])}, a batch of {common['batch']}; {levels} of the decoder has a head.",
    ]


class _PerStage(NamedTuple):
    """How many values an argument has."""

    number: int
    dims: int

    def numbers(self, part: Part) -> list[int]:
        """A positive integer for each stage; one number stands for all."""
        if not isinstance(part.node, SequenceNode):
            return [_positive(part)] * self.number
        return [_positive(one) for one in self._each(part)]

    def axes(self, part: Part) -> list[Axes]:
        """A positive integer for each axis of each stage."""
        if not isinstance(part.node, SequenceNode):
            return [(_positive(part),) * self.dims] * self.number
        return [self._of_axes(one) for one in self._each(part)]

    def _each(self, part: Part) -> list[Part]:
        items = part.items()
        if len(items) != self.number:
            message = f"{part.name} has {len(items)} values for {self.number} stages"
            raise Fault("T203", message, part.node)
        return items

    def _of_axes(self, part: Part) -> Axes:
        if not isinstance(part.node, SequenceNode):
            return (_positive(part),) * self.dims
        items = part.items()
        if len(items) != self.dims:
            message = f"{part.name} has {len(items)} values for {self.dims} axes"
            raise Fault("T203", message, part.node)
        return tuple(map(_positive, items))


def _positive(part: Part) -> int:
    value = part.integer()
    if not 0 < value < 1_000_000:
        raise Fault("T202", f"{part.name} must be a positive number, not {value}", part.node)
    return value


# --- layers ----------------------------------------------------------------------------------------------------------


def _unit(arguments: Part, dims: int) -> Unit:
    """What comes with a convolution."""
    conv = arguments.need("conv_op")
    if conv.text().rpartition(".")[2] != f"Conv{dims}d":
        message = f"{conv.name} must be torch's Conv{dims}d, as the patch has {dims} axes"
        raise Fault("T203", message, conv.node)
    bias = arguments.get("conv_bias")
    first = arguments.get("nonlin_first")
    return Unit(
        dims,
        bias=False if bias is None else bias.flag(),
        norm=_layer(arguments, "norm_op"),
        activation=_layer(arguments, "nonlin"),
        dropout=_layer(arguments, "dropout_op"),
        activation_first=first is not None and first.flag(),
    )


def _layer(arguments: Part, word: str) -> LayerKind | None:
    """The operation that an argument names, with those of its own arguments that are not torch's defaults."""
    part = arguments.get(word)
    if part is None:
        return None
    path, _, name = part.text().rpartition(".")
    if name not in registry or not (path == "torch" or path.startswith("torch.")):
        message = f"{part.name}: {part.text()} is no layer of torch that is known"
        raise Fault("T601", message, part.node)

    fields = {field.name: field.default for field in msgspec.structs.fields(registry[name])}
    found = _scalars(arguments.get(f"{word}_kwargs"))
    return LayerKind(
        name, {word: value for word, value in found.items() if fields.get(word) != value}
    )


def _scalars(given: Part | None) -> dict[str, Any]:
    """The arguments of a layer, which are numbers, texts, true, false or null."""
    if given is None:
        return {}
    given.mapping()
    found = {}
    for word, part in given.parts.items():
        value = part.value
        if isinstance(value, list | tuple | dict):
            raise part.not_a("a number, a text, true, false or null")
        found[word] = value
    return found
