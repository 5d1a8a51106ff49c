"""Problems and repairs on the page: what a click leads to, and that a repair shown is the one that the plan makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tracer
from tests import ROOT, extras
from tests.drawn.texts import BROKEN
from tests.views.in_browser import Opened, opened
from tests.views.packs import sheets_of
from tests.views.test_cards import TWO
from tracer.live.sheets import REPAIRED_SHEETS, sheets
from tracer.rules import judge
from tracer.views.page import page

extras.needs("page")
from playwright import sync_api as playwright

LAST = """
input: [N, 3, H, W]
sizes: {N: 1, H: 21, W: 20}
layers:
  even: {op: Conv2d, out_channels: 4, kernel_size: 2, stride: 2}
  wide: {op: Conv2d, out_channels: 6, kernel_size: 1}
  other: {op: Conv2d, from: even, out_channels: 4, kernel_size: 3}
  sum: {op: Add, from: [wide, other]}
"""
"""Warnings stand before the error in the file."""


def copied(shown: Opened, button: str) -> str:
    shown.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.tab.locator(button).click()
    playwright.expect(shown.tab.locator(".said", has_text="copied").first).to_be_visible()
    return shown.tab.evaluate("navigator.clipboard.readText()")  # type: ignore[no-any-return]


def test_errors_first_and_a_click_leads_there(browser: Any, tmp_path: Path) -> None:
    """Errors stand before warnings; a click chooses the node, moves it into view and marks its line in the config."""
    net = tracer.loads(LAST)
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    items = tab.locator("#problems li")
    kinds = [one.get_attribute("class") for one in items.all()]
    assert kinds == sorted(kinds) and set(kinds) == {"error", "warning"}
    for item, found in zip(items.all(), sorted(judge(net), key=lambda d: d.severity)):
        item.locator("button").click()
        assert found.node is not None and found.span is not None
        assert tab.locator("#details h2").inner_text().lower() == found.node
        line = tab.locator("#config .here")
        assert line.get_attribute("data-line") == str(found.span.line)
        assert line.inner_text() == LAST.split("\n")[found.span.line - 1]
        assert tab.locator("#config pre").evaluate(
            "(pre, line) => { const own = pre.getBoundingClientRect(), it = line.getBoundingClientRect();"
            " return it.top >= own.top - 1 && it.bottom <= own.bottom + 1; }",
            line.element_handle(),
        )
    shown.close()


@pytest.mark.parametrize("text", [BROKEN, TWO], ids=["broken", "two"])
def test_a_repair_is_shown_as_the_plan_makes_it(
    browser: Any, tmp_path: Path, text: str
) -> None:
    """Each is listed with its values and its effect; applied, the page shows the network of the plan's own text."""
    net = tracer.loads(text)
    repairs = tracer.plan(net).repairs
    assert len(repairs) >= 3
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    listed = tab.locator("#repairs li")
    assert listed.count() == min(len(repairs), 12)
    for number, repair in enumerate(repairs[:12]):
        item = listed.nth(number)
        said = item.inner_text()
        assert repair.title in said
        assert all(edit.path in said for edit in repair.edits)
        item.get_by_role("button", name=f"show the text with repair {number + 1}").click()
        assert copied(shown, "#copy-config") == repair.text

    for number, repair in enumerate(repairs[:REPAIRED_SHEETS]):
        tab.get_by_role("button", name=f"apply repair {number + 1}", exact=True).click()
        tab.wait_for_selector(f"#repairs li.applied:nth-child({number + 1})")
        other = tracer.loads(repair.text)
        shapes = tab.evaluate("tracer.trace().nodes.map(one => one.shape)")
        assert shapes == [list(y or ()) for y in other.trace().by_index]
        assert tab.locator("#verdict").inner_text() == "runs"
        assert copied(shown, "#copy-config") == repair.text
    tab.get_by_role("button", name="back to the file").click()
    playwright.expect(tab.locator("#verdict")).to_have_text("1 error")
    assert copied(shown, "#copy-config") == text
    assert tab.get_by_role("button", name="write repair").count() == 0
    shown.close()


def test_the_lines_of_every_repair(tmp_path: Path) -> None:
    """The page makes each repair's text of the config's lines: it is the text, for configs broken in one value."""
    count = 0
    for name, old, new in (
        ("unet_padded", "padding: 1", "padding: 0"),
        ("conv_autoencoder", "stride: 2", "stride: 3"),
        ("segnet", "kernel_size: 2", "kernel_size: 3"),
    ):
        text = (ROOT / "configs" / f"{name}.yaml").read_text()
        net = tracer.loads(text.replace(old, new, 1))
        found = judge(net)
        own = sheets(net, found)
        first = sheets_of(page(own, found))[0]
        for repair, shown in zip(own[0].repairs, first["repairs"], strict=True):
            lines = first["source"].split("\n")
            for start, stop, others in reversed(shown["lines"]):
                lines[start:stop] = others
            assert "\n".join(lines) == repair.text
            count += 1
    assert count > 5


@pytest.mark.parametrize("width", [1400, 400])
def test_the_text_of_a_repair_is_seen(browser: Any, tmp_path: Path, width: int) -> None:
    """What the button changes comes into view, wherever the button stands, and has the focus."""
    viewport = {"width": width, "height": 640}
    shown = opened(browser, tmp_path, tracer.loads(BROKEN), viewport=viewport)
    tab = shown.tab
    buttons = tab.get_by_role("button", name="show the text with repair")
    assert buttons.count() > 2
    for number in (0, 2):
        buttons.nth(number).click()
        said = tab.locator("#config h2")
        assert said.text_content() == f"Config with repair {number + 1}"
        pre = tab.locator("#config pre")
        assert pre.evaluate("one => one === document.activeElement")
        changed = tab.locator("#config .new, #config .gone").first
        box = changed.bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 640
        assert changed.evaluate(
            "one => { const { x, y, height } = one.getBoundingClientRect();"
            " return document.elementFromPoint(x + 20, y + height / 2) === one; }"
        )
    shown.close()
