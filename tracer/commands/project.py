"""The nearest ``pyproject.toml``: the settings of a project, and what it promises of networks."""

from __future__ import annotations

import os
from typing import NamedTuple

from yaml.nodes import MappingNode
from yaml.nodes import Node as YamlNode

from tracer.diagnostics import Diagnostic, TracerError
from tracer.loading import decoded, read_bytes, unreadable
from tracer.network.promised import PromisedSource, promised_sources
from tracer.rules.settings import Settings, may_have_settings, nearest_file, read_settings
from tracer.source.tree import Fault

TABLE = ("tool", "tracer")


class Project(NamedTuple):
    """What a ``pyproject.toml`` says."""

    path: str
    """The file, as it is seen from the working directory."""
    text: str
    settings: Settings
    sources: list[PromisedSource]
    faults: list[Diagnostic]
    """What is wrong in its tables."""

    @property
    def folder(self) -> str:
        """The folder that paths in it start from."""
        return os.path.dirname(self.path)

    def named_sources(self) -> list[tuple[str, PromisedSource]]:
        """The networks that are promised something of, as they are named from the working directory."""
        return [(source.named(self.folder), source) for source in self.sources]


def nearest_project() -> Project | None:
    """What the nearest ``pyproject.toml`` says; None where there is none, or it says nothing to us."""
    return project_of(nearest_file(os.curdir))


def project_of(path: str | None) -> Project | None:
    """What a ``pyproject.toml`` says; None where it says nothing to us."""
    if path is None:
        return None
    try:
        text = decoded(read_bytes(path), path)
    except OSError as error:
        return _unusable(path, "", [unreadable(path, error)])
    except TracerError as error:
        return _unusable(path, "", error.diagnostics)

    if not may_have_settings(text):
        return None
    return _read(path, text)


def _read(path: str, text: str) -> Project | None:
    """What a file's text says; None where it has no table of ours."""
    from tracer.source.toml import compose_toml

    try:
        root = compose_toml(text, TABLE)
        if root is None:
            return None
        settings, faults = read_settings(root)
        sources, wrong = promised_sources(_sources(root))
    except Fault as fault:
        return _unusable(path, text, [told(fault, path)])
    return Project(path, text, settings, sources, [told(one, path) for one in faults + wrong])


def _sources(root: YamlNode) -> YamlNode | None:
    """The list of promised networks in our table."""
    if not isinstance(root, MappingNode):
        return None
    return next((value for key, value in root.value if key.value == "source"), None)


def _unusable(path: str, text: str, faults: list[Diagnostic]) -> Project:
    return Project(path, text, Settings(), [], faults)


def told(fault: Fault, path: str) -> Diagnostic:
    """A fault as a finding in the file."""
    return Diagnostic(
        fault.code, fault.message, fault.span, path=path, hint=fault.hint, related=fault.related
    )
