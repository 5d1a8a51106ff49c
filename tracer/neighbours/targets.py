"""Configs that name a class and its arguments under ``_target_``: those of Hydra, and MONAI's bundles.

The package whose file it is makes the object, with its references and expressions. Where Hydra is not installed, what
its configs have most is done here: targets inside of targets, and interpolations of values of the file.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from yaml.nodes import ScalarNode, SequenceNode

from tracer.diagnostics import Diagnostic, TracerError, words_of
from tracer.importing.named import hint_of_path, located, unknown_argument
from tracer.importing.recording import Unrepresentable
from tracer.neighbours.asked import Asked, ModuleFound
from tracer.neighbours.parts import Part
from tracer.network.foreign import TARGET, is_bundle, keys_of, listed, targets_in
from tracer.source import limits
from tracer.source.tree import Fault

if TYPE_CHECKING:
    import torch

USUAL = ("network_def", "network")
"""The parts of a bundle that are its network, the first one that there is."""

Make = Callable[[Part, Mapping[str, Any]], Any]
"""Makes the object of a part, with other arguments."""


def read(root: Part, asked: Asked) -> ModuleFound:
    """The module of the part that is asked for. Raises :class:`Fault`."""
    of_bundle = is_bundle(keys_of(root.node))
    part = _part(root, asked.key, of_bundle=of_bundle)
    if of_bundle and find_spec("monai") is None:
        raise Fault(
            "T602",
            "a bundle is read by MONAI, which is not installed",
            root.node,
            "pip install monai",
        )

    if not of_bundle:
        _Circles(root).check(part, ())

    named = part.get(TARGET)
    by = f" by {named.text()}" if named is not None else ""
    expressions = ", and the expressions behind `$`" if of_bundle else ""
    told = f"{part.name} is made{by}: what the file names is imported and run{expressions}"
    make = _bundle(root) if of_bundle else _hydra(root)

    def made() -> torch.nn.Module:
        return _made(part, make, asked)

    at = part if named is None else named
    return ModuleFound(made, [told], {"": at.line(asked.shown or asked.path)})


def _part(root: Part, key: str | None, *, of_bundle: bool) -> Part:
    """The part that is the network. Raises :class:`Fault` where it is not known, or names no class."""
    if key is None:
        return _only_part(root, of_bundle=of_bundle)

    part = root.at(re.sub("::|#", ".", key))
    if part.get(TARGET) is not None or (of_bundle and not part.parts):
        return part
    below = [f"{part.path}.{path}" for path in targets_in(part.node)]
    hint = f"it has one at {listed(below)}" if below else f"others: {listed(_paths(root))}"
    raise Fault("T603", f"{part.name} is no network: it has no `{TARGET}`", part.at_key, hint)


def _only_part(root: Part, *, of_bundle: bool) -> Part:
    if root.get(TARGET) is not None:
        return root
    usual = [word for word in USUAL if of_bundle and root.get(word) is not None]
    paths = usual[:1] or _paths(root)
    if len(paths) == 1:
        return root.at(paths[0])
    what = "a MONAI bundle" if of_bundle else "a Hydra config"
    message = f"{what} of {len(paths)} parts: pick the network with --key ({listed(paths)})"
    hint = "`--input 1,3,512,512` is its input's shape"
    at = root.node.value[0][0]
    raise Fault("T603", message, at, hint)


def _paths(root: Part) -> list[str]:
    return [path for path in targets_in(root.node) if path]


# --- making ----------------------------------------------------------------------------------------------------------


def _made(part: Part, make: Make, asked: Asked) -> torch.nn.Module:
    """The module of a part. Raises :class:`TracerError` at the target that fails first."""
    from tracer.torch_bridge.factory import module_by

    def attempt(one: Part, arguments: Mapping[str, Any]) -> torch.nn.Module:
        return module_by(lambda: make(one, arguments), one.name)

    try:
        return attempt(part, asked.arguments)
    except Unrepresentable as error:
        refused = error

    culprit, cause = part, _innermost(refused)
    for one in _inside(part):
        try:
            attempt(one, {})
        except Unrepresentable as error:
            if error.__cause__ is not None:
                culprit, cause = one, _innermost(error)
                break
    given = asked.arguments if culprit is part else {}
    raise TracerError([_finding(culprit, refused, cause, given, asked)]) from None


def _inside(part: Part) -> Iterator[Part]:
    """The parts with targets inside of another, the innermost first."""
    paths = [path for path in targets_in(part.node) if path]
    yield from (part.at(path) for path in reversed(paths))


def _innermost(error: Unrepresentable) -> BaseException | None:
    """What was raised first; None where nothing was."""
    found = error.__cause__
    while found is not None and found.__cause__ is not None:
        found = found.__cause__
    return found


def _finding(
    part: Part,
    refused: Unrepresentable,
    cause: BaseException | None,
    given: Mapping[str, Any],
    asked: Asked,
) -> Diagnostic:
    """The finding at the key of the class that is at fault."""
    from tracer.neighbours.reading import told

    named = part.get(TARGET)
    at = part.node if named is None else named.node
    if isinstance(cause, Fault):
        return told(cause, asked)
    if cause is None:
        return told(Fault("T601", str(refused), at), asked)

    words = [] if named is None else [named.text()]
    who = ": ".join([part.name, *words] if part.path else words)
    message = f"{who}: {type(cause).__name__}: {words_of(cause)}"
    return told(Fault("T602", message, at, _hint(part, cause, given)), asked)


def _hint(part: Part, cause: BaseException, given: Mapping[str, Any]) -> str | None:
    """What is to be done about an error of the class that a part names; None where nothing is known."""
    named = part.get(TARGET)
    if named is None:
        return None
    if not isinstance(cause, TypeError):
        return hint_of_path(named.text(), cause)

    try:
        target = located(_path_of(named.text()))
    except (ImportError, AttributeError):
        return None
    own = [word for word in part.parts if not _IS_KEY.fullmatch(word)]
    return unknown_argument(target, [*given, *own])


def _path_of(name: str) -> str:
    """The dotted path of a class; MONAI finds its own by their last word."""
    if "." in name or find_spec("monai") is None:
        return name

    from monai.bundle import ComponentLocator

    found = ComponentLocator().get_component_module_name(name)
    module = found[0] if isinstance(found, list) and found else found
    return f"{module}.{name}" if isinstance(module, str) else name


_IS_KEY = re.compile("_.*_")
"""A key that is said to Hydra or to MONAI, and no argument."""


def _bundle(root: Part) -> Make:
    """MONAI's parser of the whole file, as parts refer to others."""

    def make(part: Part, arguments: Mapping[str, Any]) -> Any:
        from monai.bundle import ConfigParser

        parser = ConfigParser(root.value)
        path = part.path.replace(".", "::")
        for word, value in arguments.items():
            parser[f"{path}::{word}"] = value
        return parser.get_parsed_content(path)

    return make


def _hydra(root: Part) -> Make:
    """Hydra's way of making objects; our own where it is not installed."""

    def make(part: Part, arguments: Mapping[str, Any]) -> Any:
        from hydra.utils import instantiate
        from omegaconf import OmegaConf

        whole = OmegaConf.create(root.value)
        node = OmegaConf.select(whole, part.path) if part.path else whole
        return instantiate(node, **arguments)

    def make_alone(part: Part, arguments: Mapping[str, Any]) -> Any:
        value = _Interpolated(root).value(part)
        return _instantiated({**value, **arguments})

    return make_alone if find_spec("hydra") is None else make


# --- references to values of the file --------------------------------------------------------------------------------

_REFERENCE = re.compile(r"\$\{([^{}:]*)\}")
"""A reference to a value of the file: ``${model.width}``."""


def absolute(path: str, at: str) -> str:
    """A reference's path from the document's root, where the reference stands at a path.

    As in OmegaConf, one dot in front is the part that the value is in, and each one more the part around that.

    >>> absolute(".width", "model.block.channels"), absolute("..width", "model.block.channels")
    ('model.block.width', 'model.width')
    """
    rest = path.lstrip(".")
    dots = len(path) - len(rest)
    around = at.split(".")
    if not 0 < dots <= len(around):
        return path
    return ".".join([*around[:-dots], rest])


class _Circles:
    """References that lead back to themselves: neither Hydra nor anybody else can follow them."""

    def __init__(self, root: Part) -> None:
        self.root = root
        self.checked: set[str] = set()

    def check(self, part: Part, before: Sequence[str]) -> None:
        """Raise :class:`Fault` where a reference in a part leads to one of those before it."""
        for one in _texts(part):
            for path in _REFERENCE.findall(one.node.value):
                self._follow(one, path, before)

    def _follow(self, one: Part, written: str, before: Sequence[str]) -> None:
        path = absolute(written, one.path)
        if path in before:
            circle = " -> ".join([*before[before.index(path) :], path])
            raise Fault("T602", f"{one.name} refers to itself: {circle}", one.node)
        if len(before) > limits.DEPTH:
            message = f"{one.name}: more than {limits.DEPTH} references behind each other"
            raise Fault("T602", message, one.node)
        if path in self.checked:
            return
        try:
            found = self.root.at(path)
        except Fault:
            return  # none that there is
        self.check(found, [*before, path])
        self.checked.add(path)


def _texts(part: Part) -> Iterator[Part]:
    """The scalars in a part."""
    seen: set[int] = set()
    left = [part]
    while left:
        one = left.pop()
        if id(one.node) in seen:
            continue
        seen.add(id(one.node))
        if isinstance(one.node, ScalarNode):
            yield one
        elif isinstance(one.node, SequenceNode):
            left += one.items()
        else:
            left += one.parts.values()


# --- without Hydra ---------------------------------------------------------------------------------------------------

DEEPEST = 20
"""So many references lead to one value at most."""


class _Interpolated:
    """The values of a file with its references to each other followed."""

    def __init__(self, root: Part) -> None:
        self.root = root

    def value(self, part: Part) -> Any:
        """The value of a part. Raises :class:`Fault` for what only OmegaConf knows."""
        return self._followed(part.value, part, part.path, 0)

    def _followed(self, value: Any, part: Part, at: str, depth: int) -> Any:
        """A value that stands at a path, with its references followed; ``part`` is the one that a fault names."""
        pairs: Iterable[tuple[Any, Any]]
        if isinstance(value, dict):
            pairs = value.items()
        elif isinstance(value, list):
            pairs = enumerate(value)
        else:
            return self._text(value, part, at, depth) if isinstance(value, str) else value

        inner = {
            key: self._followed(one, part, f"{at}.{key}" if at else str(key), depth)
            for key, one in pairs
        }
        return inner if isinstance(value, dict) else list(inner.values())

    def _text(self, text: str, part: Part, at: str, depth: int) -> Any:
        if "${" not in text:
            return text
        whole = _REFERENCE.fullmatch(text)
        if whole is not None and depth < DEEPEST:
            path = absolute(whole[1], at)
            return self._followed(self.root.at(path).value, part, path, depth + 1)

        found = _REFERENCE.sub(
            lambda match: str(self._text(match[0], part, at, depth + 1)), text
        )
        if "${" in found or depth >= DEEPEST:
            message = (
                f"{part.name}: {text} is an interpolation for OmegaConf, which is not installed"
            )
            raise Fault("T602", message, part.node, "pip install hydra-core")
        return found


_OWN_KEYS = (
    TARGET,
    "_partial_",
    "_args_",
    "_recursive_",
    "_convert_",
)


def _instantiated(value: Any) -> Any:
    """The value with all objects that it names."""
    if isinstance(value, list):
        return [_instantiated(one) for one in value]
    if not isinstance(value, dict):
        return value
    if TARGET in value:
        return _object(value)
    return {key: _instantiated(one) for key, one in value.items()}


def _object(value: Mapping[str, Any]) -> Any:
    """What a target makes of its arguments."""
    inner = _instantiated if value.get("_recursive_", True) else _as_it_is
    arguments = {key: inner(one) for key, one in value.items() if key not in _OWN_KEYS}
    positional = [inner(one) for one in value.get("_args_", ())]
    target = located(str(value[TARGET]))
    if value.get("_partial_", False):
        return functools.partial(target, *positional, **arguments)
    return target(*positional, **arguments)


def _as_it_is(value: Any) -> Any:
    return value
