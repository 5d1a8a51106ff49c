"""What a project says in ``[tool.tracer]`` of its ``pyproject.toml``: which files are read, which findings count."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import msgspec
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.network.values import did_you_mean, mapping, text, value_of
from tracer.rules.selection import Selection, is_known
from tracer.source.tree import Entries, Fault, described, entries

INCLUDE = ("*.yaml", "*.yml")
"""The files of a folder that may be networks, where the project does not say."""

KEYS = ("include", "exclude", "select", "ignore", "per-file-ignores", "strict", "source")


FILE = "pyproject.toml"


def nearest_file(folder: str) -> str | None:
    """The path of the ``pyproject.toml`` that is nearest to a folder, as it is seen from the working directory."""
    here = os.path.abspath(folder)
    while True:
        path = os.path.join(here, FILE)
        if os.path.isfile(path):
            return os.path.relpath(path)
        here, below = os.path.dirname(here), here
        if here == below:
            return None


_MAY_HAVE_TABLE = re.compile(
    r"""^\s*\[+\s*["']?tool["']?\s*(\]|\.\s*["']?tracer\b)|^\s*["']?tool["']?\s*[.=]""",
    re.MULTILINE,
)
"""The head of our table, or of one that may have it: a file without either is another tool's, whatever is in it."""


def may_have_settings(text: str) -> bool:
    """Whether a ``pyproject.toml`` may say something to us.

    >>> may_have_settings("[tool.tracer]"), may_have_settings("[project]\\nname = 'tracer'")
    (True, False)
    """
    return "tracer" in text and _MAY_HAVE_TABLE.search(text) is not None


class Settings(msgspec.Struct):
    """The settings of a project; patterns are those of ``.gitignore``, from the project's folder."""

    include: tuple[str, ...] = INCLUDE
    exclude: tuple[str, ...] = ()
    selection: Selection = Selection()
    per_file_ignores: dict[str, tuple[str, ...]] = {}
    """The codes that do not count in some files, by the files' pattern."""
    strict: bool = False
    """Whether warnings are findings."""


def read_settings(root: YamlNode | None) -> tuple[Settings, list[Fault]]:
    """The settings of a table, and what is wrong in it."""
    if root is None:
        return Settings(), []
    if not isinstance(root, MappingNode):
        message = f"tool.tracer must be a table, not {described(root)}"
        return Settings(), [Fault("T004", message, root, "write [tool.tracer]")]

    reader = _SettingsReader(entries(root))
    reader.read()
    return reader.found, reader.faults


class _SettingsReader:
    """The state while a table is read: what one key says wrong does not keep the others from being read."""

    def __init__(self, table: Entries) -> None:
        self.table = table
        self.found = Settings()
        self.faults: list[Fault] = []

    def read(self) -> None:
        """Read every key."""
        for word, (key, _) in self.table.items():
            if word not in KEYS:
                hint = did_you_mean(word, KEYS)
                self.faults.append(Fault("T003", f"tool.tracer has no key {word!r}", key, hint))

        found = self.found
        found.include = self._given("include", _patterns, found.include)
        found.exclude = self._given("exclude", _patterns, found.exclude)
        found.selection = Selection(
            self._given("select", _codes, found.selection.select),
            self._given("ignore", _codes, found.selection.ignore),
        )
        found.per_file_ignores = self._given("per-file-ignores", _codes_of_files, {})
        found.strict = self._given("strict", _truth, found.strict)

    def _given(self, word: str, read: Callable[[str, YamlNode], Any], default: Any) -> Any:
        """What the table says under a key."""
        if word not in self.table:
            return default
        try:
            return read(word, self.table[word][1])
        except Fault as fault:
            self.faults.append(fault)
            return default


def _texts(word: str, node: YamlNode, example: str) -> list[tuple[str, YamlNode]]:
    """The texts of a list, each with its place."""
    if not isinstance(node, SequenceNode):
        hint = f'write {word} = ["{example}"]'
        raise Fault("T004", f"`{word}` must be a list, not {described(node)}", node, hint)
    return [(text(item, f"an entry of `{word}`"), item) for item in node.value]


def _patterns(word: str, node: YamlNode) -> tuple[str, ...]:
    """The patterns of a list."""
    from tracer.source.patterns import fits_none

    found = _texts(word, node, "nets/*.yaml")
    for pattern, place in found:
        if fits_none(pattern):
            raise Fault("T202", f"{pattern!r} is no pattern of files", place)
    return tuple(pattern for pattern, _ in found)


def _codes(word: str, node: YamlNode) -> tuple[str, ...]:
    """The codes of a list."""
    found = _texts(word, node, "T5")
    for code, place in found:
        if not is_known(code):
            hint = 'write a code such as T501, its beginning (T5), or "ALL"'
            raise Fault("T202", f"no rule has the code {code!r}", place, hint)
    return tuple(code for code, _ in found)


def _codes_of_files(word: str, node: YamlNode) -> dict[str, tuple[str, ...]]:
    """The codes that each pattern of files ignores."""
    found = entries(mapping(node, f"`{word}`"))
    return {pattern: _codes(word, codes) for pattern, (_, codes) in found.items()}


def _truth(word: str, node: YamlNode) -> bool:
    """True or false."""
    found = value_of(node, {}) if isinstance(node, ScalarNode) else None
    if not isinstance(found, bool):
        raise Fault("T004", f"`{word}` must be true or false, not {described(node)}", node)
    return found
