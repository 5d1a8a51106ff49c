"""What a YAML or JSON file is that is no config: told by its keys, never by its name.

Files of neighbouring tools that hold a network have a kind; :mod:`tracer.neighbours` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.network.declarations import SECTIONS
from tracer.network.values import nearest
from tracer.source.tree import Fault, compose, described

Kind = Literal["plans", "bundle", "target", "rows"]

LAYERS = ("blocks", *SECTIONS)

TARGET = "_target_"
"""The key that names the class of an object, in Hydra's configs and in MONAI's."""

READ = (
    "what is read: a config (`input` and `layers`), nnU-Net plans, a MONAI bundle, a Hydra config with `_target_`, "
    "a model of ultralytics"
)
"""What a file may be."""

OTHERS = (
    (
        {"services"},
        "a docker-compose file",
    ),
    (
        {"on", "jobs"},
        "a GitHub workflow",
    ),
    (
        {"apiVersion", "kind"},
        "a Kubernetes manifest",
    ),
    (
        {"name", "scripts"},
        "a package.json",
    ),
    (
        {"name", "devDependencies"},
        "a package.json",
    ),
    (
        {"name", "version", "dependencies"},
        "a package.json",
    ),
    (
        {"channels", "dependencies"},
        "a conda environment",
    ),
    (
        {"architectures", "model_type"},
        "a Hugging Face config.json, whose model is made in Python (tracer check file.py:make)",
    ),
    (
        {"repos"},
        "a pre-commit config",
    ),
    (
        {"defaults"},
        "a Hydra config without `_target_`",
    ),
    (
        {"channel_names", "labels"},
        "a dataset.json, which lies beside nnU-Net plans",
    ),
)
"""Keys that tell a file which is no network, and what it is; the first that fit count."""

SHOWN = 8
"""So many keys are named."""


class Foreign(NamedTuple):
    """What a file is that is no config."""

    message: str
    at: YamlNode
    hint: str | None = None
    kind: Kind | None = None
    """None where it is none that can be read."""

    def fault(self) -> Fault:
        """The finding about a file that is taken for a config."""
        return Fault("T603", self.message, self.at, self.hint)


def foreign(root: YamlNode) -> Foreign | None:
    """What the document is, where it is no config; None where it is one, or was meant as one.

    >>> from tracer.source.tree import compose
    >>> foreign(compose("services: {web: {image: nginx}}")).message
    'no network: it has no `input` and no layers; this looks like a docker-compose file; keys: services'
    """
    if not isinstance(root, MappingNode):
        what = described(root)
        return Foreign(f"no network: it is {what}, without `input` and layers", root, READ)

    top = keys_of(root)
    found = _neighbour(root, top)
    if found is not None:
        return found
    if is_config(top):
        return None
    at = root.value[0][0] if root.value else root
    known = _known_by(top)
    looks = "" if known is None else f"this looks like {known}; "
    message = (
        f"no network: it has no `input` and no layers; {looks}keys: {listed(top) or 'none'}"
    )
    return Foreign(message, at, READ)


def _known_by(top: Mapping[str, YamlNode]) -> str | None:
    """What the file is, where its keys are those of one that is met often."""
    return next((what for keys, what in OTHERS if keys <= top.keys()), None)


def is_config(top: Mapping[str, YamlNode]) -> bool:
    """Whether a document with these keys is a config, or was meant as one."""
    own = ("input", *LAYERS)
    return any(word in own for word in top) or any(nearest(word, own) for word in top)


def has_network(root: YamlNode) -> bool:
    """Whether a document has a network, to all appearances: the shape of an input, and layers with arguments.

    Of files that nobody named this is more than the two words, which tables of numbers have as well.

    >>> from tracer.source.tree import compose
    >>> has_network(compose("{input: [1, 3, H, W], layers: {a: ReLU}}"))
    True
    >>> has_network(compose("{input: 784, layers: 3}"))
    False
    """
    top = keys_of(root)
    if not isinstance(top.get("input"), (SequenceNode, MappingNode)):
        return False
    return any(_are_layers(top[word]) for word in LAYERS if word in top)


_LAYERS = "|".join(LAYERS)

_SHAPE = re.compile(r"^input[ ]*:[ ]*[\[{]", re.MULTILINE)
_MAPPING = re.compile(
    rf"^(?:{_LAYERS})[ ]*:[ ]*(?:#.*)?\n+[ ]+[^\s:#-][^\n:]*:",
    re.MULTILINE,
)
"""A shape and, behind it, a mapping of layers, as nearly every config has them: no other file is read twice for it."""

_HAS_INPUT = re.compile(r"""["']?input["']?\s*:""")
_HAS_LAYERS = re.compile(rf"""["']?(?:{_LAYERS})["']?\s*:""")


def may_be_network(text: str) -> bool:
    """Whether a text is to be read as a config: it has an input's shape and layers, or their keys and is broken.

    >>> may_be_network("input: [1, 3, H, W]\\nlayers: {a: {op: ReLU}"), may_be_network("services: {}")
    (True, False)
    """
    shape = _SHAPE.search(text)
    if shape is not None and _MAPPING.search(text, shape.end()) is not None:
        return True
    if _HAS_INPUT.search(text) is None or _HAS_LAYERS.search(text) is None:
        return False

    try:
        return has_network(compose(text))
    except Fault:
        return True


def _are_layers(node: YamlNode) -> bool:
    """Whether these are layers: a mapping, or a list of mappings, which is a frequent slip."""
    if isinstance(node, SequenceNode):
        return any(isinstance(one, MappingNode) for one in node.value)
    return isinstance(node, MappingNode) and bool(node.value)


def keys_of(node: YamlNode) -> dict[str, YamlNode]:
    """The values of a mapping by its keys; none where it is no mapping."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}


def listed(words: Sequence[str] | Mapping[str, object]) -> str:
    """The first words of several, as a sentence has them."""
    names = list(words)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


# --- kinds -----------------------------------------------------------------------------------------------------------


def _neighbour(root: MappingNode, top: Mapping[str, YamlNode]) -> Foreign | None:
    """What the document is of a tool whose networks can be read."""
    at = root.value[0][0] if root.value else root
    if is_plans(top):
        message = which_plans(keys_of(top["configurations"]))
        return Foreign(message, at, kind="plans")
    if is_rows(top):
        message = "a model of ultralytics: rows of [from, repeats, module, args], no config"
        hint = "its package builds the network: `--input 1,3,640,640`"
        return Foreign(message, at, hint, "rows")
    return _with_targets(root, top, at) if TARGET in top or "input" not in top else None


def _with_targets(
    root: MappingNode, top: Mapping[str, YamlNode], at: YamlNode
) -> Foreign | None:
    """What the document is where a part of it names a class."""
    paths = list(targets_in(root))
    if not paths:
        return None
    hint = f"`--key` picks the part that is the network: {listed(paths)}; `--input 1,3,512,512` is its input's shape"
    if is_bundle(top):
        return Foreign("a MONAI bundle, no config", at, hint, "bundle")
    if TARGET in top:
        hint = f"`--input 1,3,512,512` imports and calls what `{TARGET}` names"
    message = f"a Hydra config, with `{TARGET}`"
    return Foreign(message, at, hint, "target")


def which_plans(configurations: Sequence[str] | Mapping[str, object]) -> str:
    """What is said of plans of which no configuration is picked.

    >>> which_plans(["2d", "3d_fullres"])
    'nnU-Net plans: pick a configuration with --key (2d, 3d_fullres)'
    """
    return f"nnU-Net plans: pick a configuration with --key ({listed(configurations)})"


def is_plans(top: Mapping[str, YamlNode]) -> bool:
    """Whether it has configurations, with the keys that nnU-Net's have."""
    known = {"patch_size", "inherits_from", "architecture", "UNet_class_name"}
    configurations = keys_of(top["configurations"]) if "configurations" in top else {}
    return any(known & keys_of(one).keys() for one in configurations.values())


def is_rows(top: Mapping[str, YamlNode]) -> bool:
    """Whether it has a backbone and a head, one of them of rows, or classes beside them as ultralytics counts them."""
    parts = ("backbone", "head")
    if "input" in top or any(word not in top for word in parts):
        return False
    return "nc" in top or any(_has_rows(top[word]) for word in parts)


def _has_rows(node: YamlNode | None) -> bool:
    if not isinstance(node, SequenceNode) or not node.value:
        return False
    return all(isinstance(row, SequenceNode) and len(row.value) == 4 for row in node.value)


def is_bundle(top: Mapping[str, YamlNode]) -> bool:
    """Whether it has what a bundle has: a definition of the network, or references and expressions."""
    if TARGET in top:
        return False
    texts = [value.value for value in top.values() if isinstance(value, ScalarNode)]
    # What stands in braces is an interpolation of Hydra's.
    marked = [text for text in texts if text[:1] in ("@", "$") and text[:2] != "${"]
    return "network_def" in top or bool(marked)


def targets_in(root: YamlNode) -> Iterator[str]:
    """The dotted paths of the parts that have a target, outermost first; the empty one is the document's."""
    seen: set[int] = set()
    level = [("", root)]
    while level:
        below: list[tuple[str, YamlNode]] = []
        for path, node in level:
            # What an alias stands for is one node, and may be inside of itself.
            if id(node) in seen:
                continue
            seen.add(id(node))
            parts = keys_of(node)
            if TARGET in parts:
                yield path
            below += [(f"{path}.{key}" if path else key, part) for key, part in parts.items()]
        level = below
