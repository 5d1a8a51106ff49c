"""The generated parts of the READMEs, by the name that stands in ``<!-- NAME -->``."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, get_args, get_type_hints

import msgspec

import tracer
from tests import ROOT
from tests.test_imports import ORDER
from tracer.commands import COMMANDS
from tracer.commands.schema import ANSWERS
from tracer.views.manual import diagnostics_table
from tracer.views.operations import markdown_table


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown.

    >>> print(table(("key", "type"), [("`line`", "int | null")]))
    | key | type |
    | --- | --- |
    | `line` | int \\| null |
    <BLANKLINE>
    """
    lines = [head, ("---",) * len(head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n".replace("  |", " |") for line in cells)


def sentences(thing: object) -> str:
    """The first paragraph of a docstring, on one line, with Markdown's marks for code."""
    paragraph = (inspect.getdoc(thing) or "").split("\n\n")[0]
    return " ".join(paragraph.split()).replace("``", "`")


def packages() -> str:
    """The folders and files of ``tracer/``, each below those that may import it, with their docstrings."""
    rows = []
    for name in ORDER.split():
        module = importlib.import_module(f"tracer.{name}")
        is_package = hasattr(module, "__path__")
        rows.append((f"`{name}/`" if is_package else f"`{name}.py`", sentences(module)))
    return table(("place", "what lives there"), rows)


def library() -> str:
    """The configs of ``configs/``, each with the first sentences of the comment at its head."""
    rows = []
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        lines = path.read_text("utf-8").splitlines()
        head = " ".join(itertools.takewhile(bool, (line.strip("# ") for line in lines)))
        rows.append((f"[`{path.name}`]({path.name})", head))
    return table(("config", "what it is"), rows)


# --- the JSON answers --------------------------------------------------------------------------------------


def answers() -> str:
    """A chapter for each JSON answer: its keys, their types, what they mean; shared records once, at the end."""
    records = answer_records()
    shared: dict[str, type[msgspec.Struct]] = {}
    chapters = []
    for name, record in records.items():
        title = f"tracer {name}" if name in COMMANDS else f"tracer.{name}(net).to_json()"
        chapters.append(f"### `{title}`\n\n{keys(record)}")
        for part in parts_of(record):
            shared.setdefault(part.__name__, part)
    for name in sorted(shared):
        chapters.append(f"### {name}\n\n{sentences(shared[name])}\n\n{keys(shared[name])}")
    return "\n" + "\n".join(chapters) + "\n"


def answer_records() -> dict[str, type[msgspec.Struct]]:
    """The record behind each JSON answer, by the command's name: the one whose schema the command prints."""
    found: dict[str, type[msgspec.Struct]] = {}
    modules: list[ModuleType] = [
        importlib.import_module(f"tracer.{name}")
        for name in (
            *("views.answers", "views.found", "views.plan", "views.sizes", "views.verify"),
            "views.comparison",
            "views.tiling",
            "views.examples",
            "planning.constraints",
        )
    ]
    for name in ANSWERS:
        title = f"{name.capitalize()}Answer"
        found[name] = next(
            getattr(module, title) for module in modules if hasattr(module, title)
        )
    return found


def parts_of(record: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The records that stand in a record, those in them included."""
    for hint in hints_of(record).values():
        for part in records_in(hint):
            yield part
            yield from parts_of(part)


def records_in(hint: Any) -> Iterator[type[msgspec.Struct]]:
    """The records that a type is made of."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield hint
    for argument in get_args(hint):
        yield from records_in(argument)


def hints_of(record: type[msgspec.Struct]) -> dict[str, Any]:
    """The types of a record's keys."""
    return get_type_hints(record)


def keys(record: type[msgspec.Struct]) -> str:
    """The table of a record's keys."""
    meanings = meanings_of(record)
    rows = [
        (f"`{name}`", type_text(hint), meanings.get(name, ""))
        for name, hint in hints_of(record).items()
    ]
    return table(("key", "type", "meaning"), rows)


def type_text(hint: Any) -> str:
    """A type in JSON's words.

    >>> type_text(list[int] | None)
    'list of integer, or null'
    """
    if hint is type(None):
        return "null"
    if hint is Any:
        return "any"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    if isinstance(hint, type) and not get_args(hint):
        names = {
            "str": "text",
            "int": "integer",
            "float": "number",
            "bool": "true or false",
            "UnsetType": "left out",
        }
        return names[hint.__name__]
    arguments = get_args(hint)
    origin = getattr(hint, "__origin__", None)
    if origin in (list, tuple):
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return f"object of {type_text(arguments[1])}"
    if all(isinstance(argument, str) for argument in arguments):
        return " or ".join(f"`{argument}`" for argument in arguments)
    return ", or ".join(type_text(argument) for argument in arguments)


def meanings_of(record: type[msgspec.Struct]) -> dict[str, str]:
    """The docstrings under a record's fields."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(record)))
    (declared,) = tree.body
    assert isinstance(declared, ast.ClassDef)
    found = {}
    for field, text in zip(declared.body, declared.body[1:]):
        is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            found[field.target.id] = " ".join(str(text.value.value).split()).replace("``", "`")
    return found


def notebook() -> str:
    """What each object of the Python interface shows: its line, its table's columns and rows, and its picture."""
    net = tracer.load(ROOT / "configs" / "unet_2015.yaml")
    sizes = tracer.sizes(net)
    shown = {
        "net": net,
        "net.trace()": net.trace(),
        "net.trace(H=100)": net.trace(H=100),
        "net.plan()": net.plan(),
        "net.plan(H=100)": net.plan(H=100),
        "tracer.sizes(net)": sizes,
        'tracer.sizes(net).axes["H"].lossless': sizes.axes["H"].lossless,
        "tracer.constraints(net)": tracer.constraints(net),
        "tracer.compare(net, narrow)": tracer.compare(
            net, tracer.load(ROOT / "configs" / "unet_2015.yaml", base=32)
        ),
    }
    rows = [(f"`{name}`", *_displayed(one)) for name, one in shown.items()]
    return table(("object", "line", "table", "picture"), rows)


def _displayed(shown: Any) -> tuple[str, str, str]:
    """An object's line, the columns of its table, and what its picture shows."""
    html = shown._repr_html_()
    columns = re.findall(r"<th[^>]*>([^<]+)</th>", html)
    count = html.count("<tr>") - bool(columns)
    told = f"{count} rows: {', '.join(columns)}" if columns else "a sentence"
    picture = "-"
    if hasattr(shown, "draw"):
        drawn = shown.draw()
        assert drawn.startswith("<svg")
        picture = "the sizes from 0 on" if "sizes-in" in drawn else "the network"
    return f"`{shown!r}`", told, picture


TABLES: dict[str, Callable[[], str]] = {
    "notebook": notebook,
    "operations": markdown_table,
    "diagnostics": diagnostics_table,
    "packages": packages,
    "library": library,
    "answers": answers,
}
