"""The examples that come with the package: what each is, and the shape that goes in."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping

import msgspec

from tracer.network.reading import read_network
from tracer.network.records import Network
from tracer.shapes.trace import dim_value
from tracer.views.found import FORMAT_VERSION

WIDEST = 90
"""Characters of what an example is."""


class ExampleAnswer(msgspec.Struct, frozen=True):
    """One config that comes with the package."""

    name: str
    """What ``tracer examples`` and ``tracer examples NAME`` call it."""
    title: str
    """What it is, from the comment at its head."""
    inputs: dict[str, list[int]]
    """The shape of each input at the declared sizes, by name."""


class ExamplesAnswer(msgspec.Struct, frozen=True):
    """The answer of ``tracer examples``."""

    format_version: str
    examples: list[ExampleAnswer]


def examples_answer(texts: Mapping[str, str]) -> ExamplesAnswer:
    """The examples of these texts, by name."""
    found = [_example(name, text) for name, text in texts.items()]
    return ExamplesAnswer(FORMAT_VERSION, found)


def _example(name: str, text: str) -> ExampleAnswer:
    network = read_network(text, name)
    return ExampleAnswer(name, title_of(text), _inputs(network))


def _inputs(network: Network) -> dict[str, list[int]]:
    """The shape of each input at the declared sizes."""
    sizes = network.defaults()
    found = {}
    for node in network.nodes:
        if node.is_input:
            found[node.name] = [int(dim_value(dim, sizes)) for dim in node.pattern]
    return found


def title_of(text: str) -> str:
    """What a config is, by the comment at its head: the network and its authors, without the paper's title.

    >>> title_of('# V-Net. Milletari, Navab: "V-Net: Fully ...", 3DV 2016.\\n#\\n# Residual stages.\\nname: v\\n')
    'V-Net. Milletari, Navab'
    """
    comments = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    lines = [line.strip("# ") for line in comments]
    paragraph = " ".join(itertools.takewhile(bool, lines))

    words = paragraph.partition(': "')[0]
    return textwrap.shorten(words, WIDEST, placeholder=" ...")


def examples_listing(found: ExamplesAnswer) -> str:
    """A line for each: its name, the shape that goes in, what it is."""
    shapes = {one.name: _shapes_text(one) for one in found.examples}
    name_width = max(map(len, shapes), default=0)
    shape_width = max(map(len, shapes.values()), default=0)

    lines = []
    for one in found.examples:
        name = one.name.ljust(name_width)
        shape = shapes[one.name].ljust(shape_width)
        lines.append(f"{name}  {shape}  {one.title}\n")
    return "".join(lines)


def _shapes_text(one: ExampleAnswer) -> str:
    """The shapes as ``--input`` takes them.

    >>> _shapes_text(ExampleAnswer("x", "", {"image": [1, 3, 8, 8], "time": [1, 128]}))
    'image=1,3,8,8 time=1,128'
    """
    texts = {name: ",".join(map(str, shape)) for name, shape in one.inputs.items()}
    if len(texts) == 1:
        return next(iter(texts.values()))
    return " ".join(f"{name}={shape}" for name, shape in texts.items())
