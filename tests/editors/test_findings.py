"""What an editor is told of a text is what ``tracer check`` finds in it, at the same places."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from tests import ROOT, extras

extras.needs("lsp")

from lsprotocol import types as lsp

import tracer
from tests.editors.editor import Editor, place
from tests.timing import least
from tracer.diagnostics import Span, legible
from tracer.editors.documents import Documents
from tracer.editors.positions import EditorText
from tracer.network.foreign import may_be_network

GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.yaml"))
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

Row = tuple[str, str, str, tuple[int, int], int]


def checked(text: str) -> list[Row]:
    """The findings of ``tracer check``, their places in the editor's units."""
    if not may_be_network(text):
        return []
    body = text.removeprefix("\ufeff")
    found = []
    for one in tracer.checks(body):
        at = place(text, index_of(body, one.span) + len(text) - len(body))
        hint = "" if one.hint is None else f"\nhint: {legible(one.hint)}"
        message = legible(one.message) + hint
        spot = (at.line, at.character)
        found.append((one.code, one.severity, message, spot, len(one.related)))
    return found


def index_of(text: str, span: Span | None) -> int:
    """The character of a line and a column, with the line breaks of YAML."""
    if span is None:
        return 0
    lines = text.replace("\r\n", "\n\0")
    for character in "\r\x85\u2028\u2029":
        lines = lines.replace(character, "\n")
    start = 0
    for _ in range(span.line - 1):
        start = lines.index("\n", start) + 1
        start += lines[start : start + 1] == "\0"
    return min(start + span.column - 1, len(text))


def shown(found: list[lsp.Diagnostic]) -> list[Row]:
    """The findings that the editor has."""
    return [
        (
            str(one.code),
            "error" if one.severity == lsp.DiagnosticSeverity.Error else "warning",
            one.message,
            (one.range.start.line, one.range.start.character),
            len(one.related_information or ()),
        )
        for one in found
    ]


def test_every_report(editor: Editor) -> None:
    """Configs that are right, and those of the manual and the golden reports, which are wrong."""
    codes = set()
    for path in [*CONFIGS, *GOLDEN]:
        text = path.read_text("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
        uri = editor.open(text)
        found = shown(editor.found(uri))
        assert found == checked(text), path.name
        codes |= {code for code, *_ in found}
    assert len(codes) >= 35


PIECES = ["a", " ", "\n", ": ", "{", "}", "3", "😀", "é", "\u2028", "#", "\r\n", "op", '"', ""]


def typed(text: str, random_: random.Random) -> tuple[int, int, str]:
    """A stretch of a text, and what is typed in its place."""
    start = random_.randrange(len(text) + 1)
    end = min(len(text), start + random_.choice([0, 0, 0, 1, 1, 2, 7, 40]))
    return start, end, "".join(random_.choices(PIECES, k=random_.randrange(4)))


@pytest.mark.parametrize("seed", range(6))
def test_typing(editor: Editor, seed: int) -> None:
    """Random edits one after the other: the findings are always those of the text that the editor has then."""
    random_ = random.Random(seed)
    text = random_.choice(CONFIGS).read_text("utf-8")
    uri = editor.open(text.replace("\n", random_.choice(["\n", "\r\n"])))
    compared = 0
    for _ in range(12):
        for _ in range(random_.randrange(1, 4)):
            now = editor.texts[uri]
            start, end, new = typed(now, random_)
            editor.replace(uri, start, end, new)
            if random_.random() < 0.7:
                editor.replace(uri, start, start + len(new), now[start:end])
        assert shown(editor.found(uri)) == checked(editor.texts[uri])
        compared += 1
    assert compared == 12


@pytest.mark.parametrize("seed", range(40))
def test_the_text_is_the_editor_s(seed: int) -> None:
    """Changes leave the server with the text that the editor has, character by character."""
    random_ = random.Random(seed)
    documents = Documents()
    text = "".join(random_.choices(PIECES, k=30))
    document = documents.open("file:///n.yaml", "yaml", text, 1)
    for version in range(2, 40):
        changes: list[Any] = []
        for _ in range(random_.randrange(1, 4)):
            start, end, new = typed(text, random_)
            start, end = apart(text, start), apart(text, end)
            where = lsp.Range(place(text, start), place(text, end))
            changes.append(lsp.TextDocumentContentChangePartial(range=where, text=new))
            text = text[:start] + new + text[end:]
        documents.change("file:///n.yaml", version, changes)
        assert document.opened.text.whole == text


def apart(text: str, index: int) -> int:
    """A place that no line break has inside."""
    return index - (text[index - 1 : index + 1] == "\r\n")


def test_places_there_and_back() -> None:
    """Every character has its place, in each way of counting."""
    text = EditorText("\ufeffa😀é\r\nb\u2028c\n\n😀😀", "utf-16")
    assert text.position(2) == lsp.Position(0, 4)
    for encoding in ("utf-8", "utf-16", "utf-32"):
        text = EditorText("\ufeffa😀é\r\nb\u2028c\n\n😀😀", encoding)
        # Nothing stands between the two characters of a line break.
        indices = [index for index in range(text.end + 1) if index != 4]
        there = [text.position(index) for index in indices]
        assert [text.index(at) for at in there] == indices


def test_of_other_documents_nothing_is_said(editor: Editor) -> None:
    """A workflow, a table, Python, and a text that is no YAML and has none of the words."""
    workflow = "on: push\njobs: {a: {steps: [}\n"
    for text, language in (
        (workflow, "yaml"),
        ("input: 784\nlayers: 3\n", "yaml"),
        ("", "yaml"),
        ("def input():\n    layers: {", "python"),
    ):
        name = None if language == "yaml" else "net.py"
        uri = editor.open(text, language, name)
        assert editor.found(uri) == []
        assert editor.hover(uri, 0) is None


def test_a_network_as_it_is_typed(editor: Editor) -> None:
    """Character by character, there are never more errors than one: nothing is told that follows from half a line."""
    text = (ROOT / "configs" / "unet_2015.yaml").read_text("utf-8")
    start = text.index("encoder:")
    uri = editor.open(text[:start])
    most = 0
    for index in range(start, start + 400):
        editor.replace(uri, index, index, text[index])
        if index % 7 == 0:
            found = editor.found(uri)
            most = max(most, len(found))
            assert len(found) <= 1, text[: index + 1]
    assert most == 1


def test_closing_takes_the_findings_away(editor: Editor) -> None:
    """A document that is closed has none."""
    uri = editor.open("input: [1, 3, 8, 8]\nlayers: {a: Relo}\n")
    assert [one.code for one in editor.found(uri)] == ["T101"]
    item = lsp.TextDocumentIdentifier(uri)
    editor.client.text_document_did_close(lsp.DidCloseTextDocumentParams(item))
    other = editor.open("input: [1, 3, 8, 8]\nlayers: {a: ReLU}\n")
    assert editor.found(other) == []
    assert not editor.published[uri].diagnostics


def test_findings_come_soon(editor: Editor) -> None:
    """Of 500 nodes, behind the last of several keys: little longer than judging the text takes."""
    lines = [
        f"  c{n}: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}}"
        for n in range(500)
    ]
    text = "input: [1, 8, 64, 64]\nlayers:\n" + "\n".join(lines) + "\n"
    uri = editor.open(text)
    assert editor.found(uri) == []
    at = text.index("kernel_size: 3", len(text) // 2) + len("kernel_size: ")

    def waited() -> float:
        start = time.perf_counter()
        for key in ("30", "3", "", "99"):
            now = editor.texts[uri]
            end = now.index(",", at)
            editor.replace(uri, at, end, key)
        assert [one.code for one in editor.found(uri)] == ["T302"]
        return time.perf_counter() - start

    def judged() -> float:
        start = time.perf_counter()
        tracer.checks(editor.texts[uri] + f"# {random.random()}\n")
        return time.perf_counter() - start

    alone = least(judged, 0)
    enough = 0.1 + 2 * alone
    assert least(waited, enough, 8) <= max(enough, 1.0)
