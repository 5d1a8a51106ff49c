"""An encoder's text with a decoder behind it: what the maps need stays as it is written, comments included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from yaml.nodes import MappingNode, ScalarNode
from yaml.nodes import Node as YamlNode

from tracer.designing.config_text import BlockText, Layer
from tracer.designing.skips import Undesignable, entry_of
from tracer.designing.style import unused
from tracer.diagnostics import TracerError
from tracer.loading import reloaded
from tracer.net import Net
from tracer.network.declarations import SECTIONS
from tracer.network.graph import made_of
from tracer.network.reading import read_network
from tracer.network.records import Network, Node
from tracer.ops.registry import find_operation
from tracer.source.edits import Edit, EditError, edited
from tracer.source.tree import compose

AFTER = {"decoder", "head"}
"""The sections behind an encoder."""

_ANCHOR = re.compile(r"&([^\s,\[\]{}]+)")
_ALIAS = re.compile(r"\*([^\s,\[\]{}:]+)")
"""As they look; what only looks so, in a text or comment, keeps a little more than is needed."""


class TopLevelPart(NamedTuple):
    """A top-level key of a config with its lines, up to the next key."""

    word: str
    """The key; empty for what stands before the first one."""
    value: YamlNode | None
    text: str

    @property
    def has_entries(self) -> bool:
        """True for a section and for the blocks, of which single entries can be left out."""
        return self.word in SECTIONS or self.word == "blocks"


class Entry(NamedTuple):
    """One node of a section, or one block, with its lines."""

    name: str
    text: str


def encoder_alone(net: Net, skips: Sequence[str] = ()) -> Net:
    """The network without its sections ``decoder`` and ``head``, where it has others and no skip is named in them.

    A network that has a decoder already is an encoder too: its decoder may not even close.
    """
    sections = {node.section for node in net.network.nodes if not node.is_input}
    named = {net.network.names[name].section for name in skips if name in net.network.names}
    is_encoder_and_more = sections & AFTER and sections - AFTER
    if not is_encoder_and_more or named & AFTER:
        return net

    chunks = _chunks(net.network.source.removeprefix("\ufeff"))
    kept = [chunk.text for chunk in chunks if chunk.word not in (*AFTER, "output")]
    try:
        return reloaded(net, "".join(kept))
    except TracerError:  # something before them needs what stands there
        return net


def _chunks(source: str) -> list[TopLevelPart]:
    """A config's top-level keys in their order, and what stands before the first one."""
    root = compose(source)
    if not isinstance(root, MappingNode) or root.flow_style:
        raise Undesignable(
            "the encoder's config is one flow mapping; write its keys on lines of their own"
        )
    lines = source.splitlines(keepends=True)
    starts = [key.start_mark.line for key, _ in root.value]
    ends = [*starts[1:], len(lines)]

    found = [TopLevelPart("", None, "".join(lines[: starts[0]]))]
    for (key, value), start, end in zip(root.value, starts, ends):
        text = "".join(lines[start:end])
        found.append(
            TopLevelPart(key.value, value, text if text.endswith("\n") else text + "\n")
        )
    return found


class Appended(msgspec.Struct):
    """The parts of an encoder's config that stay, and the names that are taken."""

    network: Network
    chunks: list[TopLevelPart]
    kept_nodes: set[str]
    """The entries of the sections that stay."""
    kept_blocks: set[str]
    nodes: set[str]
    """Names that no other node may have."""
    blocks: set[str]
    """Names that no other block may have."""
    params: dict[str, Any] = {}
    """The decoder's, by name."""

    def unused_node(self, name: str) -> str:
        """A name for a node that none has; it is taken from now on."""
        found = unused(name, lambda one: one in self.nodes)
        self.nodes.add(found)
        return found

    def unused_block(self, name: str) -> str:
        """A name for a block that none has; it is taken from now on."""
        found = unused(name, lambda one: one in self.blocks or find_operation(one) is not None)
        self.blocks.add(found)
        return found

    def param(self, name: str, value: int) -> str:
        """A param of this value, as it is written in an argument; one of that name that nothing reads is taken."""
        own = unused(name, self._is_read)
        self.params[own] = value
        return f"${{{own}}}"

    def _is_read(self, param: str) -> bool:
        """True for a param of the encoder that what stays is computed from."""
        if param not in self.network.params:
            return False
        reads = re.compile(rf"\$\{{[^}}]*\b{param}\b")
        kept = [self.kept(chunk) for chunk in self.chunks if chunk.word != "params"]
        others = [
            node.value
            for name, node in self.network.param_values.items()
            if name != param and isinstance(node, ScalarNode)
        ]
        return reads.search("".join(kept + others)) is not None

    def wanted(self, word: str) -> set[str]:
        """The names that stay of a section, or of the blocks."""
        return self.kept_blocks if word == "blocks" else self.kept_nodes

    def kept(self, chunk: TopLevelPart) -> str:
        """The lines of a top-level key that stay."""
        if chunk.has_entries:
            return _kept(chunk, self.wanted(chunk.word))
        return "" if chunk.word == "output" else chunk.text

    def with_decoder(
        self,
        blocks: Sequence[BlockText],
        layers: Sequence[Layer],
        head: Sequence[Layer],
        reasons: Sequence[str],
    ) -> str:
        """The whole config, the reasons in a comment before the decoder.

        Raises :class:`Undesignable` for a config in one flow mapping.
        """
        encoder = "".join(self._encoder(_lines(blocks))).rstrip("\n")
        comment = "".join(f"# {line}\n" for line in reasons)
        decoder = _section("decoder", layers)
        text = f"{encoder}\n\n{comment}{decoder}\n{_section('head', head)}"
        try:
            return edited(text, self._edits())
        except EditError as error:
            message = f"the decoder cannot be appended to this text: {error}"
            raise Undesignable(message) from None

    def _encoder(self, blocks: str) -> Iterator[str]:
        """The chunks that stay, with more blocks; behind an encoder at most a bottleneck is left."""
        placed = False
        sections: list[str] = []
        for chunk in self.chunks:
            kept = self.kept(chunk)
            if not kept:
                continue
            if chunk.word in SECTIONS:
                if not placed:
                    yield f"blocks:\n{blocks}\n"
                    placed = True
                yield _renamed(kept, chunk.word, sections)
            elif chunk.word == "blocks":
                placed = True
                yield _with_blocks(kept, chunk.value, blocks)
            else:
                yield kept

    def _edits(self) -> list[Edit]:
        """The params and sizes that are not as the encoder's text has them."""
        network = self.network
        edits = [Edit(("params", name), value) for name, value in self.params.items()]
        for name, value in network.given_params.items():
            edits.append(Edit(("params", name), _value(value)))

        declared = read_network(network.source, network.path, network.given_params).sizes
        for symbol, n in network.sizes.items():
            if declared.get(symbol) != n and isinstance(n, int):
                edits.append(Edit(("sizes", symbol), n))
        return edits


def appended(net: Net, wanted: Sequence[Node]) -> Appended:
    """The parts of a network's config that the wanted nodes need. Raises :class:`Undesignable`."""
    needed = made_of(wanted)
    kept_nodes = {entry_of(node) for node in needed}
    kept_blocks = {use.op.value for node in needed for use in node.uses}
    chunks = _chunks(net.network.source.removeprefix("\ufeff"))

    found = Appended(net.network, chunks, kept_nodes, kept_blocks, set(), set())
    while _keep_anchors(found):
        pass
    inputs = {node.name for node in net.network.nodes if node.is_input}
    found.nodes |= found.kept_nodes | inputs
    found.blocks |= found.kept_blocks
    return found


def _keep_anchors(found: Appended) -> bool:
    """Keep the entries whose anchors are read in what stays; False where all of them are kept already."""
    read = set(_ALIAS.findall("".join(map(found.kept, found.chunks))))
    grown = False
    for chunk in found.chunks:
        if not chunk.has_entries:
            continue
        wanted = found.wanted(chunk.word)
        for entry in _entries(chunk):
            if entry.name not in wanted and read & set(_ANCHOR.findall(entry.text)):
                wanted.add(entry.name)
                grown = True
    return grown


def _kept(chunk: TopLevelPart, needed: set[str]) -> str:
    """A section's or the blocks' lines without the entries that are not needed; none where nothing is left."""
    entries = _entries(chunk)
    if not any(entry.name in needed for entry in entries):
        return ""
    head = len(chunk.text) - sum(len(entry.text) for entry in entries)
    if head <= 0:
        return chunk.text
    kept = [entry.text for entry in entries if entry.name in needed or entry.name == "<<"]
    return chunk.text[:head] + "".join(kept)


def _entries(chunk: TopLevelPart) -> list[Entry]:
    """The entries of a section or of the blocks, each with its lines, to the end.

    Where some share a line they cannot be told apart, and each has all lines.
    """
    section = chunk.value
    if not isinstance(section, MappingNode) or not section.value:
        return []
    keys = [key for key, _ in section.value if isinstance(key, ScalarNode)]
    at = [key.start_mark.line for key in keys]
    if section.flow_style or len(set(at)) < len(at):
        return [Entry(key.value, chunk.text) for key in keys]

    lines = chunk.text.splitlines(keepends=True)
    offset = _first_entry(lines) - at[0]
    starts = [line + offset for line in at]
    ends = [*starts[1:], len(lines)]
    return [
        Entry(key.value, "".join(lines[start:end]))
        for key, start, end in zip(keys, starts, ends)
    ]


def _first_entry(lines: list[str]) -> int:
    """The first line below the key that is neither empty nor a comment."""
    for number, line in enumerate(lines):
        if number and line.strip() and not line.lstrip().startswith("#"):
            return number
    raise AssertionError("a block mapping has an entry below its key")


def _renamed(kept: str, word: str, sections: list[str]) -> str:
    """A section called encoder or bottleneck; ``sections`` are those before it, and get its name."""
    name = word
    if word not in ("encoder", "bottleneck"):
        name = "bottleneck" if sections else "encoder"

    is_joined = name in sections
    sections.append(name)
    if is_joined:  # two sections become one
        return kept.partition("\n")[2]
    if name == word:
        return kept
    return re.sub(rf"^(['\"]?){word}\1", name, kept, count=1)


def _with_blocks(kept: str, value: YamlNode | None, blocks: str) -> str:
    """The blocks that stay, and more of them behind."""
    if not isinstance(value, MappingNode) or value.flow_style:
        raise Undesignable(
            "the encoder's blocks are one flow mapping; write them on lines of their own"
        )
    return kept.rstrip("\n") + "\n" + _indented(blocks, value) + "\n"


def _lines(blocks: Sequence[BlockText]) -> str:
    return "".join(f"{line}\n" for block in blocks for line in block.lines())


def _section(name: str, layers: Sequence[Layer]) -> str:
    return f"{name}:\n" + "".join(f"  {layer.text()}\n" for layer in layers)


def _value(value: Any) -> Any:
    """A param's value as an edit takes it: lists are tuples."""
    return tuple(map(_value, value)) if isinstance(value, list | tuple) else value


def _indented(text: str, blocks: MappingNode) -> str:
    """Blocks with the indentation of those that are there."""
    column = blocks.value[0][0].start_mark.column
    if column == 2:
        return text
    margin = " " * (column - 2)
    return "".join(margin + line for line in text.splitlines(keepends=True))
