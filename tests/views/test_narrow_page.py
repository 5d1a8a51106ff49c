"""The page at a phone's width: the picture first, sizes in one row that opens, a node's details as a sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tracer
from tests import ROOT, extras
from tests.views.in_browser import opened

extras.needs("page")

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_a_phone(browser: Any, tmp_path: Path) -> None:
    """Nothing is wider than the window; a tap opens the sheet, ``close`` and Escape shut it; two fingers zoom."""
    net = tracer.load(ROOT / "configs" / "unet_2015.yaml")
    shown = opened(browser, tmp_path, net, **PHONE)
    tab = shown.tab
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tops = [
        tab.locator(place).bounding_box()["y"] for place in ("#drawing", "#settings", "aside")
    ]
    assert tops == sorted(tops)
    assert tab.locator("#viewport").bounding_box()["y"] < 844 / 4

    settings, controls = tab.locator("#settings summary"), tab.locator("#controls")
    assert settings.is_visible() and not controls.is_visible()
    assert settings.bounding_box()["height"] < 50
    settings.click()
    assert {round(one.bounding_box()["y"]) for one in tab.locator(".control").all()} == {
        round(tab.locator(".control").first.bounding_box()["y"])
    }
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    settings.click()

    details = tab.locator("#details")
    name = tab.locator("text.name", has_text="enc2")
    for end in ("close", "Escape"):
        assert not details.is_visible()
        tab.locator("svg:not([hidden]) .unit", has=name).tap()
        box = details.bounding_box()
        assert box["x"] == 0 and box["y"] + box["height"] == 844 and box["y"] > 844 / 3
        assert "128 × 280 × 280" in details.inner_text()
        if end == "close":
            details.get_by_role("button", name="close").tap()
        else:
            tab.keyboard.press("Escape")

    before = tab.evaluate("tracer.view.width")
    tab.evaluate("""() => {
      const window = document.querySelector("#viewport");
      const send = (kind, id, x, y) => window.dispatchEvent(
        new PointerEvent(kind, { pointerId: id, clientX: x, clientY: y, bubbles: true }));
      send("pointerdown", 11, 150, 300); send("pointerdown", 12, 200, 300);
      send("pointermove", 12, 250, 300); send("pointerup", 11, 150, 300); send("pointerup", 12, 250, 300);
    }""")
    assert abs(tab.evaluate("tracer.view.width") / before - 0.5) < 0.02
    shown.close()


def test_a_wide_window_has_it_all(browser: Any, tmp_path: Path) -> None:
    """No row to open, and details beside the picture; a window that becomes narrow folds them."""
    net = tracer.load(ROOT / "configs" / "fcn8s.yaml")
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    assert not tab.locator("#settings summary").is_visible()
    assert tab.locator("#controls").is_visible() and tab.locator("#details").is_visible()
    tab.set_viewport_size({"width": 600, "height": 800})
    tab.wait_for_function("() => !document.querySelector('#settings').open")
    assert not tab.locator("#details").is_visible()
    tab.set_viewport_size({"width": 1200, "height": 800})
    tab.wait_for_function("() => document.querySelector('#settings').open")
    shown.close()
