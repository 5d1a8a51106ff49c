"""The examples under ``--help`` are command lines that work."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.smoke import MODULE
from tracer.commands import COMMANDS, cli
from tracer.commands.help_examples import EXAMPLES, examples_of

NET = """\
params: {base: 8}
input: [N, 3, H, W]
sizes: {N: 1, H: 64, W: 64}
encoder:
  conv: {op: Conv2d, out_channels: "${base}", kernel_size: 3, padding: 1}
  down: {op: Conv2d, out_channels: "${base}", kernel_size: 2, stride: 2}
  act: ReLU
"""

WAITS = {"serve", "watch", "lsp"}
"""Commands that end when they are told to: their examples are parsed."""


def words_of_commands() -> Iterator[str]:
    """Every command by its words, subcommands included."""
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name
        if isinstance(command, click.Group):
            yield from (f"{name} {part}" for part in command.commands)


NAMES = list(words_of_commands())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, committed, with the files that the examples name."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "nets").mkdir()
    for name in ("net.yaml", "old.yaml", "encoder.yaml", "nets/net.yaml"):
        (folder / name).write_text(NET, "utf-8")
    (folder / "my_net.py").write_text(MODULE, "utf-8")
    identity = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "nets"]):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    return folder


def test_every_command_has_examples() -> None:
    """Under its help, as they stand in the table; the table has no other command's."""
    assert len(NAMES) > len(COMMANDS) + 6
    for name in NAMES:
        shown = CliRunner().invoke(cli, [*name.split(), "--help"]).stdout
        for line in examples_of(name):
            assert f"\n    {line}\n" in shown and f"{line} ".startswith(f"tracer {name} "), name
    assert set(EXAMPLES) <= set(NAMES)


@pytest.mark.parametrize("line", [line for name in NAMES for line in examples_of(name)])
def test_an_example_runs(line: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with 0 and writes what it says."""
    monkeypatch.chdir(place)
    _, *words = shlex.split(line)
    for made in ("net.yaml", "rows.csv"):
        if "-o" in words and made in words:
            Path(made).unlink(missing_ok=True)
    if "net.yaml" in words and words[words.index("net.yaml") - 1] != "-o":
        Path("net.yaml").write_text(NET, "utf-8")
    if words[0] in WAITS or "net.onnx" in words:
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None
        command.make_context(words[0], words[1:])
        return

    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, (done.stdout, done.stderr)
    if "-o" in words:
        assert Path(words[words.index("-o") + 1]).stat().st_size > 0
