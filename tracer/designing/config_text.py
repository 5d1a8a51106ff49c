"""A config while it is designed, and its text: blocks and sections of layers, one to a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tracer.source.written import written_value


class Layer(msgspec.Struct, frozen=True):
    """One ``name: {op: ..., ...}``. ``from`` comes first where the layer before is not the one that is read."""

    name: str
    op: str
    arguments: Mapping[str, Any] = {}
    inputs: tuple[str, ...] = ()
    """The names under ``from``; none where it reads the layer before it."""
    comment: str = ""

    def text(self) -> str:
        """The layer's line in a section or block.

        >>> Layer("cat", "Concat", {"dim": 1}, ("up", "skip")).text()
        'cat: {op: Concat, from: [up, skip], dim: 1}'
        """
        value = self.op
        if self.inputs or self.arguments:
            value = f"{{{_pairs(self._values())}}}"
        comment = f"  # {self.comment}" if self.comment else ""
        return f"{self.name}: {value}{comment}"

    def _values(self) -> dict[str, Any]:
        """The pairs behind the name, in order."""
        values: dict[str, Any] = {"op": self.op}
        if self.inputs:
            values["from"] = self.inputs[0] if len(self.inputs) == 1 else self.inputs
        return {**values, **self.arguments}


class BlockText(msgspec.Struct, frozen=True):
    """A block of layers."""

    name: str
    layers: Sequence[Layer]
    arguments: Mapping[str, Any] = {}
    """Each argument with its default; None: required."""
    inputs: tuple[str, ...] = ()
    """The names of its inputs, where they are several."""

    def lines(self, indent: str = "  ") -> list[str]:
        """The block's lines under ``blocks``."""
        found = [f"{indent}{self.name}:"]
        if self.inputs:
            found.append(f"{indent * 2}inputs: [{', '.join(self.inputs)}]")
        if self.arguments:
            found.append(f"{indent * 2}args: {{{_pairs(self.arguments)}}}")
        found.append(f"{indent * 2}layers:")
        return found + [f"{indent * 3}{layer.text()}" for layer in self.layers]


class ConfigText(msgspec.Struct, frozen=True):
    """A whole config."""

    name: str
    about: Sequence[str]
    """The lines of the comment at its head."""
    params: Mapping[str, Any]
    input: tuple[int | str, ...]
    sizes: Mapping[str, Any]
    blocks: Sequence[BlockText]
    sections: Mapping[str, Sequence[Layer]]
    output: Mapping[str, tuple[int | str, ...]] = {}

    def text(self) -> str:
        """The config's text."""
        lines = [f"# {line}".rstrip() for line in self.about]
        lines += self._head()
        lines += self._layers()
        if self.output:
            lines += ["", "output:"]
            lines += [
                f"  {name}: {written_value(shape)}" for name, shape in self.output.items()
            ]
        return "\n".join(lines) + "\n"

    def _head(self) -> list[str]:
        """The lines before the layers."""
        lines = [f"name: {written_value(self.name)}"]
        if self.params:
            lines.append(f"params: {{{_pairs(self.params)}}}")
        lines.append(f"input: {written_value(self.input)}")
        if self.sizes:
            sizes = [f"{symbol}: {_promise(value)}" for symbol, value in self.sizes.items()]
            lines.append(f"sizes: {{{', '.join(sizes)}}}")
        return lines

    def _layers(self) -> list[str]:
        """The blocks and sections, an empty line before each."""
        lines: list[str] = []
        if self.blocks:
            lines += ["", "blocks:"]
            for block in self.blocks:
                lines += block.lines()
        for section, layers in self.sections.items():
            if layers:
                lines += ["", f"{section}:"]
                lines += [f"  {layer.text()}" for layer in layers]
        return lines


def _pairs(values: Mapping[str, Any]) -> str:
    """The inside of a flow mapping."""
    return ", ".join(f"{name}: {written_value(value)}" for name, value in values.items())


def _promise(value: Any) -> str:
    return f"{{{_pairs(value)}}}" if isinstance(value, Mapping) else written_value(value)
