"""What is seen at first, and how it moves: all of the network, or what is wrong with it, and nothing half hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tracer
from tests import ROOT, extras
from tests.views.in_browser import opened

extras.needs("page")

CONFIGS = ROOT / "configs"
WIDE = {"width": 1400, "height": 900}
NARROW = {"width": 390, "height": 844}

SEEN = """() => {
  const rectangle = (one) => {
    const { x, y, width, height } = one.getBoundingClientRect();
    return { x, y, width, height };
  };
  const svg = document.querySelector("#viewport svg:not([hidden])");
  return {
    window: rectangle(document.querySelector("#viewport")),
    boxes: [...svg.querySelectorAll(".box, .unit")].map(rectangle),
    wrong: [...svg.querySelectorAll(".box.wrong, .unit.wrong")].map(rectangle),
    arms: [...svg.querySelectorAll(".arm")].filter((one) => one.textContent).map(rectangle),
    texts: [...svg.querySelectorAll(".box .name, .unit .name")].map((one) => one.getBoundingClientRect().height),
    note: rectangle(document.querySelector("#beside")),
    scrolled: [scrollX, scrollY],
    size: [innerWidth, innerHeight],
  };
}"""

Rectangle = dict[str, float]


def is_inside(outer: Rectangle, inner: Rectangle, slack: float = 1) -> bool:
    return (
        inner["x"] >= outer["x"] - slack
        and inner["y"] >= outer["y"] - slack
        and inner["x"] + inner["width"] <= outer["x"] + outer["width"] + slack
        and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + slack
    )


def overlap(a: Rectangle, b: Rectangle) -> float:
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    return max(across, 0) * max(down, 0)


def long_net(levels: int, height: int) -> str:
    """A U of unpadded convolutions, too long to be read as a whole, whose last but one skip does not meet."""
    lines = [f"input: [N, 1, H, W]\nsizes: {{N: 1, H: {height}, W: 512}}", "encoder:"]
    for k in range(levels):
        lines += [
            f"  enc{k}: {{op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}}",
            f"  act{k}: ReLU",
            f"  pool{k}: {{op: MaxPool2d, kernel_size: 2}}",
        ]
    lines.append("decoder:")
    for k in reversed(range(levels)):
        lines += [
            f"  up{k}: {{op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}}",
            f"  cat{k}: {{op: Concat, from: [up{k}, act{k}]}}",
            f"  mix{k}: {{op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}}",
        ]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("unet_2015", None),
        ("unetpp", None),
        ("attention_unet", None),
        ("fcn8s", "boxes"),
    ],
)
def test_all_of_a_network_is_in_view(
    browser: Any, tmp_path: Path, name: str, style: str | None
) -> None:
    """Every box is in the picture's window, that is in the browser's, and no box covers another one."""
    net = tracer.load(CONFIGS / f"{name}.yaml")
    shown = opened(browser, tmp_path, net, style, viewport=WIDE)
    for size in (WIDE, NARROW):
        shown.tab.set_viewport_size(size)
        shown.tab.wait_for_timeout(300)  # the cards have their messages
        seen = shown.tab.evaluate(SEEN)
        assert len(seen["boxes"]) > 10
        assert all(is_inside(seen["window"], box) for box in seen["boxes"])
        assert not any(
            overlap(a, b) for k, a in enumerate(seen["boxes"]) for b in seen["boxes"][k + 1 :]
        )
        if size is WIDE:
            whole = {"x": 0, "y": 0, "width": size["width"], "height": size["height"]}
            assert is_inside(whole, seen["window"])
    shown.close()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_what_is_wrong_is_in_view(browser: Any, tmp_path: Path, size: dict[str, int]) -> None:
    """A long network opens on its fault, legibly: the sizes that meet there, and beside it those that would work."""
    net = tracer.loads(long_net(5, 500))
    shown = opened(browser, tmp_path, net, viewport=size)
    tab = shown.tab
    tab.wait_for_selector("#beside button")
    seen = tab.evaluate(SEEN)
    (wrong,) = seen["wrong"]
    assert is_inside(seen["window"], wrong)
    assert len(seen["arms"]) == 2 and all(
        is_inside(seen["window"], arm) for arm in seen["arms"]
    )
    assert min(seen["texts"]) >= 9
    assert is_inside(seen["window"], seen["note"])
    assert overlap(seen["note"], wrong) == 0
    assert sum(overlap(seen["note"], arm) for arm in seen["arms"]) == 0
    assert "cat4" in tab.locator("#beside").inner_text()
    assert tab.locator("#beside button").all_inner_texts() == ["H = 480", "H = 512"]

    # What comes after it is grey, and legible.
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    behind = tab.locator("svg:not([hidden]) .unit.unknown")
    for unit in behind.all():
        text = unit.locator("text").first.evaluate("e => getComputedStyle(e).fill")
        assert contrast(ground, text) >= 4.5
        assert unit.locator("rect").first.evaluate("e => getComputedStyle(e).fill") == "none"
    names = [unit.get_attribute("aria-label").split(":")[0] for unit in behind.all()]
    assert names == ["mix4", "cat3", "mix3", "cat2", "mix2", "cat1", "mix1", "cat0", "mix0"]

    # The same by the button: all of it, and again what is wrong.
    fit = tab.get_by_role("button", name="fit")
    fit.click()
    seen = tab.evaluate(SEEN)
    assert all(is_inside(seen["window"], box) for box in seen["boxes"])
    fit.click()
    assert min(tab.evaluate(SEEN)["texts"]) >= 9
    tab.get_by_role("button", name="H = 512").first.click()
    tab.wait_for_function("() => document.querySelector('#verdict').textContent === 'runs'")
    assert not tab.locator("#beside").is_visible()
    shown.close()


def contrast(a: str, b: str) -> float:
    """The contrast of two colours as the browser writes them, ``rgb(1, 2, 3)``, by WCAG 2.1."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.strip("rgb()").split(",")[:3]]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_focus_moves_the_picture_alone(browser: Any, tmp_path: Path) -> None:
    """Tab goes through all boxes: each is in view as a whole, and the page stays where it is; and back again."""
    net = tracer.loads(long_net(4, 512))
    shown = opened(browser, tmp_path, net, viewport=WIDE)
    tab = shown.tab
    tab.wait_for_timeout(300)
    tab.evaluate("window.scrollTo(0, 40)")
    viewport = tab.locator("#viewport")
    viewport.evaluate("one => one.focus({ preventScroll: true })")
    for _ in range(8):
        tab.keyboard.press("+")
    count = tab.locator("svg:not([hidden]) .unit").count()
    focused = """() => { const box = document.activeElement.closest(".unit");
      if (!box) return null;
      const { x, y, width, height } = box.querySelector("rect").getBoundingClientRect();
      return { name: box.getAttribute("aria-label"), x, y, width, height }; }"""
    names = []
    for key in ["Tab"] * count + ["Shift+Tab"] * (count - 1):
        tab.keyboard.press(key)
        box = tab.evaluate(focused)
        seen = tab.evaluate(SEEN)
        assert seen["scrolled"] == [0, 40]
        assert box is not None and is_inside(seen["window"], box)
        assert viewport.evaluate("one => [one.scrollLeft, one.scrollTop]") == [0, 0]
        names.append(box["name"])
    assert len(set(names)) == count
    assert names[:count] == names[count - 1 :][::-1]

    # Keys that move the picture do not move the page either.
    before = tab.locator("#viewport svg:not([hidden])").get_attribute("viewBox")
    for key in ("ArrowDown", "ArrowRight", "ArrowUp"):
        tab.keyboard.press(key)
        after = tab.locator("#viewport svg:not([hidden])").get_attribute("viewBox")
        assert after != before
        before = after
    assert tab.evaluate("[scrollX, scrollY]") == [0, 40]
    shown.close()


def test_a_zoom_keeps_the_pointers_place(browser: Any, tmp_path: Path) -> None:
    """What is under the pointer stays there, in and out, wherever it is; and a resized window keeps what it fits."""
    net = tracer.load(CONFIGS / "unet_padded.yaml")
    shown = opened(browser, tmp_path, net, viewport=WIDE)
    tab = shown.tab
    tab.wait_for_timeout(300)
    under = """([x, y]) => { const svg = document.querySelector("#viewport svg:not([hidden])");
      const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM().inverse()); return [at.x, at.y]; }"""
    box = tab.locator("#viewport").bounding_box()
    for across, down, turn in (
        (0.1, 0.2, -300),
        (0.9, 0.7, -200),
        (0.5, 0.95, 400),
        (0.3, 0.4, 120),
    ):
        at = [
            round(box["x"] + across * box["width"]),
            round(box["y"] + down * box["height"]),
        ]
        tab.mouse.move(*at)
        before, scale = tab.evaluate(under, at), tab.evaluate("tracer.view.width")
        tab.mouse.wheel(0, turn)
        tab.wait_for_function("width => tracer.view.width !== width", arg=scale)
        after = tab.evaluate(under, at)
        assert before == pytest.approx(after, abs=0.6)
    tab.get_by_role("button", name="fit").click()
    tab.set_viewport_size({"width": 1000, "height": 700})
    tab.wait_for_timeout(200)
    seen = tab.evaluate(SEEN)
    assert all(is_inside(seen["window"], one) for one in seen["boxes"])
    shown.close()
