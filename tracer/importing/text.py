"""A recording as the text of a config, its repeated parts as blocks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from tracer.importing.blocks import CalledPart, SharedBlock, find_blocks, part_of_all
from tracer.importing.centred import Centred, centred
from tracer.importing.layers import Listed, ListedLayer, Listing
from tracer.importing.params import with_params
from tracer.importing.recording import Recording
from tracer.importing.rounds import in_rounds
from tracer.importing.sections import sections_of
from tracer.importing.sharing import Owners, apart, owners_of
from tracer.source.written import written_value


class Config(NamedTuple):
    """A config's text, and where the steps of the recording are in it."""

    text: str
    names: dict[str, str]
    """The node's name for every step's, with the names of blocks before it."""
    params: Mapping[str, int]
    """Its params."""


class Arranged(NamedTuple):
    """A recording as it is written: its layers in the order and with the blocks of a config."""

    recording: Recording
    inside: Mapping[str, str]
    """The steps that others do the work of, by name."""
    owners: Owners
    blocks: Sequence[tuple[SharedBlock, Listed]]
    listed: Listed
    in_blocks: bool


def arranged(recording: Recording, *, in_blocks: bool = True) -> Arranged:
    """The recording in the order of its text; without blocks each step has a line of its own.

    Raises :class:`Unrepresentable` for a size that is no expression of a config.
    """
    recording, inside = centred(recording) if in_blocks else Centred(recording, {})
    recording = in_rounds(recording) if in_blocks else recording
    root = part_of_all(recording)
    blocks = find_blocks(recording, root) if in_blocks else []
    block_of: dict[CalledPart, SharedBlock] = {}
    for block in blocks:
        block_of |= dict.fromkeys(block.parts, block)

    owners = owners_of(recording.steps)
    listing = Listing(block_of, owners, with_repeats=in_blocks)
    listed_blocks = [(block, listing.block(block)) for block in blocks]
    inputs = list(recording.inputs)
    listed = listing.part(root, dict(zip(inputs, inputs)))
    return Arranged(recording, inside, owners, listed_blocks, listed, in_blocks)


def config(
    recording: Recording,
    name: str,
    notes: Sequence[str] = (),
    *,
    in_blocks: bool = True,
    params: Collection[str] = (),
) -> Config:
    """The config of a recording, as :func:`written_config` writes it."""
    return written_config(arranged(recording, in_blocks=in_blocks), name, notes, params)


def written_config(
    order: Arranged, name: str, notes: Sequence[str], params: Collection[str]
) -> Config:
    """The config of what is arranged, with notes at its beginning.

    It has those ``params`` that its numbers show. Whether they take other values is to be tried.
    """
    recording, listed = order.recording, order.listed
    told = [*notes, *recording.told, *_apart(recording, order.owners, listed.paths)]
    sections = sections_of(listed.layers) if order.in_blocks else [("layers", listed.layers)]
    shown = params if len(sections) > 1 else ()
    chosen = with_params(recording, order.blocks, listed.layers, shown)

    lines = [f"# {note}" for note in told]
    lines += [f"name: {written_value(name)}", *_params(chosen.values), *_head(recording)]
    lines += _blocks(chosen.blocks)
    written = iter(layer_lines(chosen.layers))
    for section, layers in sections:
        lines += ["", f"{section}:", *_indented(islice(written, len(layers)))]
    if len(sections) > 1:
        lines.append("")
    lines.append(f"output: {_outputs(recording, listed)}")

    folded = [part for line in lines for part in folded_line(line)]
    text = "\n".join([*folded, ""])
    return Config(text, _with_those_inside(listed.paths, order.inside), chosen.values)


def _with_those_inside(paths: Mapping[str, str], inside: Mapping[str, str]) -> dict[str, str]:
    """The nodes of the steps, and of those that others do the work of."""
    return {**paths, **{step: paths[other] for step, other in inside.items()}}


def _apart(
    recording: Recording,
    owners: Owners,
    paths: Mapping[str, str],
) -> Iterator[str]:
    """A note for each layer that has weights of its own in the config, and another's in the program."""
    for step, earlier in apart(recording.steps, owners):
        mine, theirs = paths[step.name], paths[earlier.name]
        yield f"{mine} has weights of its own here; in the module it shares some with {theirs}"


NO_NAME = re.compile(r"output|[\d_]+")
"""The names of outputs that nobody gave: of the only one, and those of a list's."""


def _outputs(
    recording: Recording,
    listed: Listed,
) -> str:
    """The outputs: their nodes, by name where the program names them, or gives one node several times."""
    values = recording.outputs.values()
    written = map(written_value, listed.listed(values))
    nodes = dict(zip(recording.outputs, written))
    is_own = [
        NO_NAME.fullmatch(name) or quoted_name(name) == node for name, node in nodes.items()
    ]
    if all(is_own) and len(set(nodes.values())) == len(nodes):
        every = list(nodes.values())
        return every[0] if len(every) == 1 else f"[{', '.join(every)}]"

    entries = [f"{quoted_name(name)}: {node}" for name, node in nodes.items()]
    return f"{{{', '.join(entries)}}}"


def quoted_name(name: str) -> str:
    """A name as it can stand in a config."""
    return written_value(re.sub(r"\W", "_", name) or "_1")


def _params(values: Mapping[str, int]) -> Iterator[str]:
    """The params with their own values."""
    if values:
        listed = ", ".join(f"{name}: {n}" for name, n in values.items())
        yield f"params: {{{listed}}}"


def _head(recording: Recording) -> list[str]:
    """The inputs, and the sizes of their symbols."""
    lines = _inputs(recording)
    used = set()
    for value in recording.inputs.values():
        used |= set(map(str, value.sizes))

    sizes = [f"{symbol}: {n}" for symbol, n in recording.symbols.items() if symbol in used]
    if sizes:
        listed = ", ".join(sizes)
        lines.append(f"sizes: {{{listed}}}")
    return lines


def _inputs(recording: Recording) -> list[str]:
    """A pattern where there is one input of the usual name, else the patterns by name."""
    patterns = {}
    for name, value in recording.inputs.items():
        dims = ", ".join(map(str, value.sizes))
        patterns[name] = f"[{dims}]"

    entries = [f"{name}: {pattern}" for name, pattern in patterns.items()]
    if list(patterns) == ["input"]:
        return entries
    if len(entries) == 1:
        return [f"input: {{{entries[0]}}}"]
    return ["input:", *_indented(entries)]


def _blocks(listed: Sequence[tuple[SharedBlock, Listed]]) -> Iterator[str]:
    """The blocks, with what stands above them."""
    if listed:
        yield from ["", "blocks:"]
    for block, inside in listed:
        yield from _indented(_block(block, inside))


def _block(
    block: SharedBlock,
    inside: Listed,
) -> list[str]:
    """A block with its layers."""
    lines = []
    if block.arguments:
        arguments = [
            f"{word}: {written_value(differing.usual)}"
            for word, differing in block.arguments.items()
        ]
        listed = ", ".join(arguments)
        lines.append(f"args: {{{listed}}}")
    if block.inputs:
        listed = ", ".join(block.inputs)
        lines.append(f"inputs: [{listed}]")
    lines += ["layers:", *_indented(layer_lines(inside.layers))]
    return [f"{block.name}:", *_indented(lines)]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


# --- layers ----------------------------------------------------------------------------------------------------------


def layer_lines(layers: Iterable[ListedLayer]) -> Iterator[str]:
    """A line for each layer."""
    for layer in layers:
        note = f"  # {layer.note}" if layer.note else ""
        yield f"{_key(layer.name)}: {_written(layer)}{note}"


def _key(name: str) -> str:
    """A name at the beginning of a line, where a number is a name."""
    return name if name.isdecimal() else written_value(name)


def _written(layer: ListedLayer) -> str:
    """An operation alone, or a mapping of it, of what it reads and of its arguments."""
    if not layer.reads and not layer.arguments:
        return written_value(layer.op)

    entries = [f"op: {written_value(layer.op)}"]
    if layer.reads:
        reads = layer.reads[0] if len(layer.reads) == 1 else layer.reads
        entries.append(f"from: {written_value(reads)}")
    for word, value in layer.arguments.items():
        entries.append(f"{word}: {written_value(value)}")
    return f"{{{', '.join(entries)}}}"


# --- long lines ------------------------------------------------------------------------------------------------------

WIDTH = 160
"""Characters of a line, at most, where it has a space to be folded at."""


def folded_line(line: str) -> Iterator[str]:
    """A line as several that are short enough. YAML reads a fold as the space that was there.

    >>> len(list(folded_line("cat: {op: Concat, from: [" + ", ".join(["a_long_name"] * 20) + "]}")))
    2
    """
    margin = re.match(r" *(?:# )?", line)
    assert margin is not None
    is_comment = margin[0].endswith("# ")
    behind = margin[0] if is_comment else f"{margin[0]}    "

    while len(line) > WIDTH:
        cut = _place_to_fold(line, len(behind))
        # A comment behind a value cannot go on in the next line.
        in_comment = not is_comment and "  # " in line[:cut]
        if cut < 0 or in_comment:
            break
        yield line[:cut]
        line = behind + line[cut + 1 :]
    yield line


def _place_to_fold(line: str, start: int) -> int:
    """The last space that can be a fold, behind a comma if there is one in the second half; -1 where there is none."""
    behind_comma = line.rfind(", ", WIDTH // 2, WIDTH)
    if behind_comma >= 0:
        return behind_comma + 1
    return line.rfind(" ", start, WIDTH)
