"""What a project selects, ignores and excludes holds in the editor too."""

from __future__ import annotations

import os
from pathlib import Path

from tests import extras

extras.needs("lsp")

from tests.editors.editor import Editor

LOSSY = "input: [1, 3, 33, 33]\nlayers:\n  a: {op: MaxPool2d, kernel_size: 2}\n"


def codes(editor: Editor, path: Path, text: str = LOSSY) -> list[str]:
    """The codes of what is found in a file, opened anew."""
    uri = editor.open(text, uri=path.as_uri())
    return [str(one.code) for one in editor.found(uri)]


def test_settings(editor: Editor, tmp_path: Path) -> None:
    """Codes that are ignored, files of which some are, folders that are left out; a file that changes is read again."""
    nets = tmp_path / "nets"
    nets.mkdir()
    net, old = nets / "net.yaml", nets / "old net.yaml"
    assert codes(editor, net) == ["T501"]

    settings = tmp_path / "pyproject.toml"
    settings.write_text('[tool.tracer]\nignore = ["T501"]\n')
    assert codes(editor, net) == []
    assert codes(editor, net, LOSSY.replace("MaxPool2d", "Max")) == ["T101"]

    settings.write_text('[tool.tracer.per-file-ignores]\n"old*.yaml" = ["T501"]\n')
    os.utime(settings, ns=(1, 1))
    assert codes(editor, net) == ["T501"]
    assert codes(editor, old) == []

    settings.write_text('[tool.tracer]\nexclude = ["nets"]\n')
    os.utime(settings, ns=(2, 2))
    assert codes(editor, net) == []

    for wrong in ("[tool.tracer\n", "[tool.tracer]\nignores = 3\n", "\0"):
        settings.write_text(wrong)
        os.utime(settings, ns=(3, 3))
        assert codes(editor, net, LOSSY.replace("MaxPool2d", "Max")) == ["T101"]
