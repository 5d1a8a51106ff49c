"""A config while it is designed, and its text: blocks and sections of layers, one to a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tracer.source.written import written_value


class Layer(msgspec.Struct, frozen=True):
    """One ``name: {op: ..., ...}``. ``from`` stands first among the arguments where the layer before is not read."""

    name: str
    op: str
    arguments: Mapping[str, Any] = {}
    inputs: tuple[str, ...] = ()
    """The names under ``from``; none where it reads the layer before it."""
    comment: str = ""

    def text(self) -> str:
        """As it stands in a section or block."""
        pairs = [("op", self.op)]
        if self.inputs:
            pairs.append(("from", self.inputs[0] if len(self.inputs) == 1 else self.inputs))  # type: ignore[arg-type]
        pairs += self.arguments.items()
        said = (
            self.op
            if len(pairs) == 1
            else f"{{{', '.join(f'{k}: {written_value(v)}' for k, v in pairs)}}}"
        )
        return f"{self.name}: {said}" + (f"  # {self.comment}" if self.comment else "")


class BlockText(msgspec.Struct, frozen=True):
    """A block of layers."""

    name: str
    layers: Sequence[Layer]
    arguments: Mapping[str, Any] = {}
    """Each argument with its default; None: required."""
    inputs: tuple[str, ...] = ()
    """The names of its inputs, where they are several."""

    def lines(self, indent: str = "  ") -> list[str]:
        """As they stand under ``blocks``."""
        found = [f"{indent}{self.name}:"]
        if self.inputs:
            found.append(f"{indent * 2}inputs: [{', '.join(self.inputs)}]")
        if self.arguments:
            given = ", ".join(
                f"{name}: {written_value(value)}" for name, value in self.arguments.items()
            )
            found.append(f"{indent * 2}args: {{{given}}}")
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
        lines.append(f"name: {written_value(self.name)}")
        if self.params:
            given = ", ".join(
                f"{name}: {written_value(value)}" for name, value in self.params.items()
            )
            lines.append(f"params: {{{given}}}")
        lines.append(f"input: {written_value(self.input)}")
        if self.sizes:
            given = ", ".join(
                f"{symbol}: {_promise(value)}" for symbol, value in self.sizes.items()
            )
            lines.append(f"sizes: {{{given}}}")
        if self.blocks:
            lines += ["", "blocks:"]
            for block in self.blocks:
                lines += block.lines()
        for section, layers in self.sections.items():
            if layers:
                lines += ["", f"{section}:", *(f"  {layer.text()}" for layer in layers)]
        if self.output:
            lines += [
                "",
                "output:",
                *(f"  {name}: {written_value(shape)}" for name, shape in self.output.items()),
            ]
        return "\n".join(lines) + "\n"


def _promise(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {written_value(n)}' for key, n in value.items())}}}"
    return written_value(value)
