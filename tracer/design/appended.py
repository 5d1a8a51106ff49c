"""An encoder's text with a decoder behind it: what the taps need stays as it stands, comments included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from yaml.nodes import MappingNode, ScalarNode
from yaml.nodes import Node as YamlNode

from tracer.design.config_text import BlockText, Layer
from tracer.design.skips import Undesignable
from tracer.design.style import unused
from tracer.diagnostics import TracerError
from tracer.loading import reloaded
from tracer.net import Net
from tracer.network.declarations import SECTIONS
from tracer.network.graph import made_of
from tracer.network.reading import read_network
from tracer.network.records import Node
from tracer.ops.registry import find_operation
from tracer.source.edits import Edit, EditError, edited
from tracer.source.tree import compose


def encoder_alone(net: Net, skips: Sequence[str] = ()) -> Net:
    """The network without its sections ``decoder`` and ``head``, where it has others and no skip is named in them.

    A network that has a decoder already is an encoder too: its decoder may not even close.
    """
    sections = {node.section for node in net.network.nodes if not node.is_input}
    named = {net.network.names[name].section for name in skips if name in net.network.names}
    if not sections - AFTER or not sections & AFTER or named & AFTER:
        return net
    source = net.network.source.removeprefix("\ufeff")
    kept = [own for word, _, own in _chunks(source) if word not in ("decoder", "head", "output")]
    try:
        return reloaded(net, "".join(kept))
    except TracerError:  # something before them needs what stands there
        return net


AFTER = {"decoder", "head"}
"""The sections behind an encoder."""


def _chunks(source: str) -> list[tuple[str, YamlNode | None, str]]:
    """A config's top-level keys with their values and lines, what stands before the first one with the empty key."""
    root = compose(source)
    if not isinstance(root, MappingNode) or root.flow_style:
        raise Undesignable(
            "the encoder's config is one flow mapping; write its keys on lines of their own"
        )
    lines = source.splitlines(keepends=True)
    starts = [key.start_mark.line for key, _ in root.value]
    found: list[tuple[str, YamlNode | None, str]] = [("", None, "".join(lines[: starts[0]]))]
    for (key, value), start, end in zip(root.value, starts, [*starts[1:], len(lines)]):
        own = "".join(lines[start:end])
        found.append((key.value, value, own if own.endswith("\n") else own + "\n"))
    return found


class Appended:
    """The parts of an encoder's config that stay, and the names that are taken."""

    def __init__(self, net: Net, wanted: Sequence[Node]) -> None:
        self.network = net.network
        self.chunks = _chunks(self.network.source.removeprefix("\ufeff"))
        needed = made_of(wanted)
        self.needed = {(node.uses[0] if node.uses else node.declaration).name for node in needed}
        self.used = {use.op.value for node in needed for use in node.uses}
        self._keep_anchors()
        inputs = {node.name for node in net.network.nodes if node.is_input}
        self.nodes = self.needed | inputs
        self.blocks = set(self.used)
        self.params: dict[str, Any] = {}

    def _keep_anchors(self) -> None:
        """What no tap needs stays too where it has an anchor that something kept refers to."""
        entries = [
            (word, name, text)
            for word, value, own in self.chunks
            if word in SECTIONS or word == "blocks"
            for name, text in _entries(value, own)
        ]
        while True:
            kept = "".join(self._kept_chunk(*chunk) for chunk in self.chunks)
            read = set(_ALIAS.findall(kept))
            held = {
                (word, name) for word, name, text in entries if read & set(_ANCHOR.findall(text))
            }
            more = {(word, name) for word, name in held if name not in self._wanted(word)}
            if not more:
                return
            for word, name in more:
                self._wanted(word).add(name)

    def _wanted(self, word: str) -> set[str]:
        return self.used if word == "blocks" else self.needed

    def unused_node(self, name: str) -> str:
        """A name for a node that none has; it is taken from now on."""
        found = unused(name, lambda one: one in self.nodes)
        self.nodes.add(found)
        return found

    def unused_block(self, name: str) -> str:
        """A name for a block that none has."""
        found = unused(name, lambda one: one in self.blocks or find_operation(one) is not None)
        self.blocks.add(found)
        return found

    def param(self, name: str, value: int) -> str:
        """A param of this value, as it is written in an argument; one of that name that nothing reads is taken."""
        kept = "".join(self._kept_chunk(*chunk) for chunk in self.chunks if chunk[0] != "params")

        def is_taken(one: str) -> bool:
            reads = re.compile(rf"\$\{{[^}}]*\b{one}\b")
            return (
                one in self.network.params and reads.search(kept + self._derived(one)) is not None
            )

        own = unused(name, is_taken)
        self.params[own] = value
        return f"${{{own}}}"

    def _derived(self, name: str) -> str:
        """What the other params are computed of."""
        values = {other: node for other, node in self.network.param_values.items() if other != name}
        return "".join(node.value for node in values.values() if isinstance(node, ScalarNode))

    def _kept_chunk(self, word: str, value: YamlNode | None, own: str) -> str:
        """What stays of a top-level key's lines."""
        if word in SECTIONS or word == "blocks":
            return _kept(value, own, self._wanted(word))
        return "" if word == "output" else own

    def with_decoder(
        self,
        blocks: Sequence[BlockText],
        layers: Sequence[Layer],
        head: Sequence[Layer],
        reasons: Sequence[str],
    ) -> str:
        """The whole config. Raises :class:`Undesignable` for a config in one flow mapping."""
        added = "".join(f"{line}\n" for block in blocks for line in block.lines())
        placed = False
        found: list[str] = []
        sections: list[str] = []
        for word, value, own in self.chunks:
            kept = self._kept_chunk(word, value, own)
            if not kept:
                continue
            if word in SECTIONS:
                if not placed:
                    found.append(f"blocks:\n{added}\n")
                    placed = True
                name = (
                    word
                    if word in ("encoder", "bottleneck")
                    else "bottleneck"
                    if sections
                    else "encoder"
                )
                if name in sections:  # two sections become one
                    kept = kept.partition("\n")[2]
                elif name != word:
                    kept = re.sub(rf"^(['\"]?){word}\1", name, kept, count=1)
                sections.append(name)
            elif word == "blocks":
                placed = True
                if isinstance(value, MappingNode) and not value.flow_style:
                    kept = kept.rstrip("\n") + "\n" + _indented(added, value) + "\n"
                else:
                    raise Undesignable(
                        "the encoder's blocks are one flow mapping; write them on lines of their own"
                    )
            found.append(kept)
        text = "".join(found).rstrip("\n") + "\n"
        text += "\n" + "".join(f"# {line}\n" for line in reasons)
        text += "decoder:\n" + "".join(f"  {layer.text()}\n" for layer in layers)
        text += "\nhead:\n" + "".join(f"  {layer.text()}\n" for layer in head)
        edits = [Edit(("params", name), value) for name, value in self.params.items()]
        edits += [
            Edit(("params", name), _value(value))
            for name, value in self.network.given_params.items()
        ]
        edits += [Edit(("sizes", symbol), n) for symbol, n in self._replaced_sizes().items()]
        try:
            return edited(text, edits)
        except EditError as error:
            raise Undesignable(f"the decoder cannot be appended to this text: {error}") from None

    def _replaced_sizes(self) -> dict[str, int]:
        """The sizes that the caller gave, where they are not the declared ones."""
        declared = read_network(
            self.network.source, self.network.path, self.network.given_params
        ).sizes
        return {
            s: n
            for s, n in self.network.sizes.items()
            if declared.get(s) != n and isinstance(n, int)
        }


_ANCHOR, _ALIAS = re.compile(r"&([^\s,\[\]{}]+)"), re.compile(r"\*([^\s,\[\]{}:]+)")
"""As they look; what only looks so, in a text or comment, keeps a little more than is needed."""


def _kept(section: YamlNode | None, own: str, needed: set[str]) -> str:
    """A section's or the blocks' lines without the entries that are not needed; none where nothing is left."""
    entries = _entries(section, own)
    if not any(name in needed for name, _ in entries):
        return ""
    head = len(own) - sum(len(text) for _, text in entries)
    if head <= 0:
        return own
    return own[:head] + "".join(text for name, text in entries if name in needed or name == "<<")


def _entries(section: YamlNode | None, own: str) -> list[tuple[str, str]]:
    """The entries of a section or of the blocks, each with its lines, to the end.

    Where some share a line they cannot be told apart, and each has all lines.
    """
    if not isinstance(section, MappingNode) or not section.value:
        return []
    keys = [
        (key.value, key.start_mark.line) for key, _ in section.value if isinstance(key, ScalarNode)
    ]
    if section.flow_style or len({line for _, line in keys}) < len(keys):
        return [(name, own) for name, _ in keys]
    lines = own.splitlines(keepends=True)
    first = next(
        i
        for i, line in enumerate(lines)
        if i and line.lstrip() and not line.lstrip().startswith("#")
    )
    starts = [line - keys[0][1] + first for _, line in keys]
    return [
        (name, "".join(lines[start:end]))
        for (name, _), start, end in zip(keys, starts, [*starts[1:], len(lines)])
    ]


def _value(value: Any) -> Any:
    return tuple(map(_value, value)) if isinstance(value, list | tuple) else value


def _indented(text: str, blocks: MappingNode) -> str:
    """Blocks with the indentation of those that are there."""
    column = blocks.value[0][0].start_mark.column
    return (
        text
        if column == 2
        else "".join(" " * (column - 2) + line for line in text.splitlines(keepends=True))
    )
