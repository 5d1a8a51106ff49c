"""The command line, one file per command. The only place that prints or exits.

Exit codes: 0 clean, 1 findings, 2 bad usage or unreadable file, 3 internal error. Results go to standard
output, everything else to standard error. A command's module is imported when the command is called.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Any, TextIO

import click

from tracer import __version__
from tracer.diagnostics import words_of

COMMANDS = {
    "check": "Validate configs: source, graph, arguments, shapes, skips, design.",
    "trace": "The shape of every node, with parameters, MACs, memory and receptive field.",
    "plan": "Solve every auto; where skips cannot meet, say why and what would repair it.",
    "sizes": "The exact set of input sizes that run, run losslessly, and run aligned.",
    "tile": "Tiles, overlap and halo that make tiled inference equal to whole-picture inference.",
    "design": "Write a config: the decoder for an encoder, or a network of a known family.",
    "sweep": "Every combination of params and sizes, checked and costed; their Pareto front.",
    "draw": "The picture of a network: SVG, PNG, mermaid, dot, or an interactive page.",
    "serve": "The interactive page, following the file as it is edited.",
    "lsp": "The language server for editors: findings as one types, shapes, completion.",
    "watch": "Table and diagnostics in the terminal, following the file.",
    "compare": "What differs between two configs, or two revisions of one.",
    "verify": "Build the network with torch and compare every node, for several sizes.",
    "export": "The network as the source of a torch module, or as an ONNX model.",
    "import": "A config from a torch module or an ONNX file.",
    "examples": "The networks that come with the package, to print or to copy.",
    "explain": "A diagnostic's manual page.",
    "ops": "The operations and their arguments.",
    "schema": "The JSON Schemas of the language and of the answers.",
}


MODULES = {"import": "import_"}
"""The files of commands whose name Python has taken."""


class Commands(click.Group):
    """Finds a command's module when it is called for, so that each imports only what it uses."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; where the reader of its output has gone (``| head``), nothing is left to say."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(
            f"tracer.commands.{MODULES.get(cmd_name, cmd_name)}"
        ).command
        from tracer.commands.help_examples import with_examples

        return with_examples(command, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, 1)
            hint = (
                f" Did you mean {close[0]!r}?"
                if close
                else f" Commands: {', '.join(COMMANDS)}."
            )
            raise click.UsageError(f"No such command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    """Print the version, and whose files lie beside the package's."""
    if not is_asked or ctx.resilient_parsing:
        return
    click.echo(f"tracer, version {__version__}")
    _tell_other()
    ctx.exit()


def _tell_other() -> None:
    """Say whether another project's package of the same name is installed: its files lie among these."""
    try:
        import shape_tracer
    except ImportError:  # installed for editing before that module was there
        return

    other = shape_tracer.other_distribution()
    if other is not None:
        told = f"another project's {other} is installed too, and its package has the same name"
        click.echo(f"{told}: {shape_tracer.CURE}", err=True)


def _install_completion(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    """Add the shell's line for completion to its file, and end."""
    if shell is None or ctx.resilient_parsing:
        return
    from tracer.commands.completion import install

    install(shell)
    ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option(
    "--install-completion",
    type=click.Choice(["bash", "zsh", "fish"]),
    is_eager=True,
    expose_value=False,
    callback=_install_completion,
    help="Add the line to the shell's file by which it completes commands and options, and exit.",
)
def cli() -> None:
    """Shapes of encoder/decoder networks, from YAML, by PyTorch's formulas, without torch."""


def _print_any_character() -> None:
    """Pipes and files get UTF-8 whatever the locale, as JSON asks for; a terminal shows what it can."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                encoding=None if stream.isatty() else "utf-8", errors="backslashreplace"
            )


def _failed(error: Exception) -> int:
    """Say what nobody has caught, and give the exit code."""
    from tracer.ops.registry import NotImportable

    if isinstance(error, NotImportable):
        click.echo(str(error), err=True)
        return 2

    click.echo(f"internal error: {type(error).__name__}: {words_of(error)}", err=True)
    click.echo("this is a bug in tracer; set TRACER_DEBUG=1 for the traceback", err=True)
    if isinstance(error, ImportError):
        _tell_other()
    return 3


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(exit_code())


def exit_code() -> int:
    """Run the command line; its exit code. All that it has printed is written."""
    _print_any_character()
    try:
        code = _outcome()
        _flush(sys.stdout)
    except BrokenPipeError:
        # The reader has gone (`tracer trace ... | head`): nothing is left to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        # Errors of reading are reported where files are read; what is left is an output that takes no more.
        click.echo(f"cannot write: {error.strerror or error}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 2
    except Exception as error:
        if os.environ.get("TRACER_DEBUG"):
            raise
        code = _failed(error)
        _flush(sys.stdout)

    _flush(sys.stderr)
    return code


def _flush(stream: TextIO | None) -> None:
    """Write what a stream holds. A server has closed its own, and a process without a terminal may have none."""
    if stream is not None and not stream.closed:
        stream.flush()


def _outcome() -> int:
    """Run the command line; its exit code, where it is not a fault of the machine or of this program."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        click.echo("interrupted", err=True)
        return 130
    return code if isinstance(code, int) else 0
