"""Code actions: the repairs that ``tracer plan`` lists, and the values that it writes."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests import ROOT, extras

extras.needs("lsp")

from lsprotocol import types as lsp

import tracer
from tests.editors.editor import Editor, applied, place
from tracer.editors.positions import EditorText
from tracer.editors.repairing import text_edits

ALL = lsp.Range(lsp.Position(0, 0), lsp.Position(10**6, 0))

BROKEN = """\
# 😀
input: [1, 3, 36, 36]
layers:
  down: {op: Conv2d, out_channels: 8, kernel_size: 2, stride: 2, padding: 1}  # 😀 19
  low: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2}
  up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
  cat: {op: Concat, from: [up, down]}
"""


def asked(editor: Editor, uri: str, where: lsp.Range, *only: Any) -> list[lsp.CodeAction]:
    """The actions for a range."""
    context = lsp.CodeActionContext([], only=list(only) or None)
    return editor.ask_about("code_action", uri, range=where, context=context)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_repairs_are_those_of_plan(editor: Editor, ends: str) -> None:
    """Each of them makes the text that ``plan`` would write, and that has no error."""
    text = BROKEN.replace("\n", ends)
    uri = editor.open(text)
    assert [one.code for one in editor.found(uri) if one.severity == 1] == ["T301"]
    found = [one for one in asked(editor, uri, ALL) if one.edit is not None]
    plan = tracer.plan(tracer.loads(text))
    texts = [applied(text, one.edit.changes[uri]) for one in found]
    assert texts == [repair.text for repair in plan.repairs[: len(texts)]]
    assert len(texts) >= 3
    assert found[0].is_preferred == plan.repairs[0].safe
    for fixed in texts:
        assert not [one for one in tracer.checks(fixed) if one.severity == "error"]


GOLDEN = sorted((ROOT / "tests" / "golden").glob("T30[14]*.yaml"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_an_action_takes_the_error_away(editor: Editor, path: Any) -> None:
    """What is offered for an error closes the network."""
    text = path.read_text("utf-8")
    uri = editor.open(text)
    for action in asked(editor, uri, ALL, lsp.CodeActionKind.QuickFix):
        fixed = applied(text, action.edit.changes[uri])
        assert not [one for one in tracer.checks(fixed) if one.severity == "error"]


def test_only_where_the_error_is(editor: Editor) -> None:
    """Another line has no action, and another kind has none."""
    uri = editor.open(BROKEN)
    at = place(BROKEN, BROKEN.index("low:"))
    assert not asked(editor, uri, lsp.Range(at, at))
    at = place(BROKEN, BROKEN.index("cat:"))
    assert asked(editor, uri, lsp.Range(at, at))
    assert asked(editor, uri, lsp.Range(at, at), "quickfix")
    assert not asked(editor, uri, lsp.Range(at, at), "refactor")


def test_a_warning_is_repaired(editor: Editor) -> None:
    """A checkerboard: an action takes the warning away and brings no other."""
    text = (ROOT / "tests" / "golden" / "T504.yaml").read_text("utf-8")
    uri = editor.open(text)
    assert {one.code for one in editor.found(uri)} == {"T504"}
    found = asked(editor, uri, ALL)
    assert found
    for action in found:
        assert tracer.checks(applied(text, action.edit.changes[uri])) == []


def test_the_values_of_every_auto(editor: Editor) -> None:
    """They are written as ``plan --write`` writes them, where an auto stands."""
    text = (ROOT / "configs" / "conv_autoencoder.yaml").read_text("utf-8")
    uri = editor.open(text)
    at = place(text, text.index("output_padding: auto"))
    found = asked(editor, uri, lsp.Range(at, at), "refactor.rewrite")
    assert [one.title for one in found] == ["write the solved values of every auto"]
    written = applied(text, found[0].edit.changes[uri])
    assert written == tracer.plan(tracer.loads(text)).written().text
    top = lsp.Position(0, 0)
    assert not asked(editor, uri, lsp.Range(top, top))


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\u2028"])
def test_edits_are_small(ends: str) -> None:
    """Of a text only what differs is replaced, whatever its lines end with."""
    text = "a: 1\nb: 😀\nc: 3\nd: 4\n".replace("\n", ends)
    new = "a: 1\nb: 😀2\nbb: 7\nc: 3\nd: 5\n".replace("\n", ends)
    edits = list(text_edits(EditorText(text), new))
    assert applied(text, edits) == new
    assert sum(len(one.new_text) for one in edits) <= 12
    assert not re.search("a|c", "".join(one.new_text for one in edits))
