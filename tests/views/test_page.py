"""The page in a real browser: what it shows is what Python computes; nothing from a config becomes markup."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

import tracer
from tests import ROOT, extras
from tests.drawn.texts import BROKEN, HOSTILE
from tests.live.test_live import OPEN
from tests.timing import at_most
from tests.views.in_browser import Opened, opened
from tracer.costs.memory import memory
from tracer.live.sheets import sheets
from tracer.rules import judge
from tracer.views.page import page

extras.needs("page")
from playwright import sync_api as playwright

CONFIGS = ROOT / "configs"
SHOWN = [
    "unet_2015",
    "conv_autoencoder",
    "attention_unet",
    "u2net_small",
    "unetpp",
    "conv_tasnet",
    "fcn8s",
    "vnet",
]


@pytest.mark.parametrize("name", SHOWN)
def test_every_shape_is_pythons(browser: Any, tmp_path: Path, name: str) -> None:
    """For dozens of sizes: each node's shape in the browser is the one that Python traces, and so is the memory."""
    net = tracer.load(CONFIGS / f"{name}.yaml")
    shown = opened(browser, tmp_path, net)
    draw = random.Random(name)
    drawn = []
    for k in range(40):
        sizes = {
            symbol: max(1, n + draw.randint(-40, 40)) if k % 2 else draw.randint(1, 2 * n)
            for symbol, n in net.network.defaults().items()
        }
        drawn.append(sizes)
    for sizes, (theirs, held) in zip(drawn, shown.traced(drawn), strict=True):
        ours = net.trace(**sizes)
        for node, a, b in zip(net.network.nodes, ours.by_index, theirs):
            assert (None if a is None else list(a)) == b, f"{node.name} at {sizes}"
        if name != "conv_tasnet":  # what is a view there, sizes decide
            assert held == memory(ours), sizes
    shown.close()


def test_params_are_pythons(browser: Any, tmp_path: Path) -> None:
    """A param that is moved gives the shapes of the config that is loaded with it."""
    net = tracer.load(CONFIGS / "unet_padded.yaml")
    shown = opened(browser, tmp_path, net)
    for base in (1, 8, 24, 96):
        other = tracer.load(CONFIGS / "unet_padded.yaml", base=base).trace()
        assert shown.shapes({"base": base}) == [list(y or ()) for y in other.by_index]
        assert shown.memory({"base": base}) == memory(other)
    shown.close()


def test_params_that_decide_the_layers(browser: Any, tmp_path: Path) -> None:
    """Another number of copies is another sheet, with the sizes carried over; the way back is there too."""
    path = CONFIGS / "srresnet.yaml"
    net = tracer.load(path)
    shown = opened(browser, tmp_path, net, "boxes")
    tab = shown.tab
    tab.get_by_label("W", exact=True).fill("20")
    for doublings in (1, 3, 2):
        tab.get_by_label("doublings", exact=True).select_option(label=str(doublings))
        other = tracer.load(path, doublings=doublings).trace(W=20)
        tab.wait_for_function(
            "n => tracer.nodes.length === n", arg=len(other.network.nodes), timeout=5_000
        )
        shapes = tab.evaluate("tracer.trace().nodes.map(one => one.shape)")
        assert shapes == [list(y or ()) for y in other.by_index]
        folded = tab.evaluate(
            "document.querySelectorAll('#viewport svg:not([hidden]) .box').length"
        )
        assert tab.locator("#listing tbody tr").count() == folded
    shown.close()


def test_a_typed_size_updates_everything(browser: Any, tmp_path: Path) -> None:
    """Typing a size changes boxes, rows, totals, the verdict and the address of what is wrong."""
    net = tracer.loads(BROKEN)
    shown = opened(browser, tmp_path, net, "boxes")
    tab = shown.tab
    assert tab.locator("#verdict").inner_text() == "1 error"
    assert tab.locator(".box.wrong .name").all_text_contents() == ["cat2"]
    assert sorted(tab.locator(".arm").all_text_contents()) == ["32 × 26 × 24", "64 × 25 × 24"]
    tab.get_by_label("H", exact=True).fill("104")
    playwright.expect(tab.locator("#verdict")).to_have_text("runs")
    assert tab.locator(".box.wrong").count() == 0
    assert [t for t in tab.locator(".arm").all_text_contents() if t] == []
    boxes = dict(
        zip(
            tab.locator(".box .name").all_text_contents(),
            tab.locator(".box .shape").all_text_contents(),
        )
    )
    rows = [
        row.locator("td").all_inner_texts()
        for row in tab.locator("tbody tr").all()
        if row.locator("td").count() == 8
    ]
    trace = net.trace(H=104)
    for node, y in zip(trace.network.nodes, trace.by_index):
        assert y is not None
        assert boxes[node.name] == " × ".join(map(str, y[1:]))
        assert next(row for row in rows if row[0] == node.name)[2] == " × ".join(map(str, y))
    tab.get_by_label("W", exact=True).fill("97")
    playwright.expect(tab.locator("#verdict")).to_have_text("1 error")
    assert "cat2" in tab.locator("#problems").inner_text()
    shown.close()


def test_valid_sizes_are_one_click_away(browser: Any, tmp_path: Path) -> None:
    """Buttons name the nearest sizes that work; a click goes there. The slider's marks are those sizes."""
    net = tracer.loads(BROKEN)
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    near = tab.locator(".control", has=tab.get_by_label("H", exact=True)).locator(
        ".near button"
    )
    playwright.expect(near).to_have_text(["96", "103"])
    near.first.click()
    playwright.expect(tab.locator("#verdict")).to_have_text("runs")
    assert tab.get_by_label("H", exact=True).input_value() == "96"
    runs = tracer.sizes(net).axes["H"].runs
    marks = (
        "() => { const c = document.querySelectorAll('canvas')[1];"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, 1).data;"
        " return [...Array(c.width).keys()].filter(i => d[4 * i + 3] > 0).map(i => i + 1); }"
    )
    tab.wait_for_timeout(300)  # the marks of the size before are gone
    tab.wait_for_function(f"() => ({marks})().length > 100")
    marked = tab.evaluate(marks)
    assert marked == [n for n in range(1, marked[-1] + 1) if n in runs]
    assert len(marked) > 50
    shown.close()


def test_details_of_a_node(browser: Any, tmp_path: Path) -> None:
    """Pointing at a box shows its arithmetic, receptive field, offset and cost; the focus of the keyboard does too."""
    net = tracer.load(CONFIGS / "unet_2015.yaml")
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    tab.locator("#depth").select_option(label="unfolded")
    box = tab.locator(
        "svg:not([hidden]) .unit", has=tab.locator("text.name", has_text="enc1.conv1")
    )
    box.focus()
    text = tab.locator("#details").inner_text()
    assert "(572 + 2·0 − 1·(3 − 1) − 1) // 1 + 1 = 570" in text
    assert "stride 1, offset 1 input pixels" in text
    assert "640" in text  # parameters
    tab.locator("tbody tr", has=tab.locator("td", has_text="enc1.conv2")).first.hover()
    assert "(570 + 2·0 − 1·(3 − 1) − 1) // 1 + 1 = 568" in tab.locator("#details").inner_text()
    shown.close()


def test_the_plan_by_residue(browser: Any, tmp_path: Path) -> None:
    """The planner's panel has the output_padding of every residue, and points at the present one."""
    net = tracer.loads(OPEN)
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    assert tab.locator("#planner table[data-symbol=H] tbody tr").count() == 4
    for n in (28, 29, 30, 31, 41):
        tab.get_by_label("H", exact=True).fill(str(n))
        playwright.expect(
            tab.locator("#planner table[data-symbol=H] tr.now td").first
        ).to_have_text(str(n % 4))
        assert tab.locator("#verdict").inner_text() == "runs"
        planned = net.solution({"N": 1, "H": n, "W": 64}).assignments
        now = tab.locator("#planner table[data-symbol=H] tr.now td").all_inner_texts()
        assert now == [
            str(n % 4),
            str(planned["u2.output_padding"][0]),
            str(planned["u1.output_padding"][0]),
        ]
    shown.close()


def test_a_move_is_quick(browser: Any, tmp_path: Path) -> None:
    """For a net of more than 100 nodes a move of a slider updates everything in less than 16 ms (the median)."""
    net = tracer.load(CONFIGS / "attention_unet.yaml")
    assert len(net.network.nodes) > 100
    shown = opened(browser, tmp_path, net)
    took = shown.tab.evaluate(
        """() => {
          const times = [];
          for (let n = 0; n < 60; n += 1) {
            tracer.values.H = 256 + n;
            const start = performance.now();
            tracer.update();
            times.push(performance.now() - start);
          }
          return times.sort((a, b) => a - b)[30];
        }"""
    )
    assert took < 16
    shown.close()


def test_keyboard_and_names(browser: Any, tmp_path: Path) -> None:
    """Every field and button has a name; the picture moves and zooms by keys; boxes take the focus."""
    net = tracer.load(CONFIGS / "unet_padded.yaml")
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    for element in tab.locator("input, select, button").all():
        assert element.evaluate(
            "e => (e.ariaLabel || e.textContent || (e.labels && e.labels[0]?.textContent) || '').trim()"
        )
    before = tab.locator("#viewport svg:not([hidden])").get_attribute("viewBox")
    tab.locator("#viewport").focus()
    tab.keyboard.press("+")
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#viewport svg:not([hidden])").get_attribute("viewBox") != before
    tab.keyboard.press("0")
    assert tab.locator("#viewport svg:not([hidden])").get_attribute("viewBox") == before
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('role')") == "button"
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith(
        "input:"
    )
    shown.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_dark_and_print(browser: Any, tmp_path: Path, scheme: str) -> None:
    """The page follows the reader's scheme, with enough contrast between text and ground; print hides the controls."""
    net = tracer.load(CONFIGS / "unet_padded.yaml")
    shown = opened(browser, tmp_path, net, color_scheme=scheme)
    ground, text = shown.tab.evaluate(
        "() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]; }"
    )
    luminance = [
        sum(map(int, colour.strip("rgb()").split(","))) / 3 for colour in (ground, text)
    ]
    assert (luminance[0] > luminance[1]) == (scheme == "light")
    assert abs(luminance[0] - luminance[1]) > 150
    shown.tab.emulate_media(media="print")
    assert not any(one.is_visible() for one in shown.tab.locator(".tools").all())
    assert shown.tab.locator("#listing").is_visible()
    shown.close()


def test_hostile_texts_stay_texts(browser: Any, tmp_path: Path) -> None:
    """Names, descriptions, params and arguments full of markup are shown as they are, and run nothing."""
    text = (
        f"name: {json.dumps(HOSTILE)}\ndescription: {json.dumps(HOSTILE)}\n"
        f"params: {{base: 4, note: {json.dumps(HOSTILE)}}}\n"
        "input: {'<b>x</b>': [N, 3, H, H]}\nsizes: {N: 1, H: 9}\n"
        "encoder:\n"
        "  '<img/src=x/onerror=alert(1)>': {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2}\n"
        "  '\"onload=\"alert(1)': {op: Conv2d, out_channels: 4, kernel_size: 3}\n"
        '  "\'--><script>alert(1)</script>": {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}\n'
        "  cat: {op: Concat, from: [\"'--><script>alert(1)</script>\", '<b>x</b>']}\n"
    )
    net = tracer.loads(text)
    shown = opened(browser, tmp_path, net)
    tab = shown.tab
    tab.on("dialog", lambda d: shown.faults.append("a dialog"))
    for unit in tab.locator(".unit").all():
        unit.focus()
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("img, iframe, object, embed, a").count() == 0
    types = [one.get_attribute("type") for one in tab.locator("script").all()]
    assert types.count(None) == 1 and set(types) == {None, "text/plain", "application/json"}
    assert tab.locator("#title").inner_text() == HOSTILE
    assert tab.locator("td", has_text="<img/src=x/onerror=alert(1)>").count() >= 1
    shown.close()


def test_without_a_network(browser: Any, tmp_path: Path) -> None:
    """A text that cannot be loaded gives a page of its diagnostics, and beside the last picture says so."""
    try:
        tracer.loads("input: [1, 2]\nlayers: {a: Konv2d, '<i>': 3}\n")
    except tracer.TracerError as error:
        found = error.diagnostics
    alone = Opened(browser, tmp_path / "alone.html", page([], found))
    assert "T101" in alone.tab.locator(".told").inner_text()
    alone.close()
    net = tracer.loads(BROKEN)
    stale = Opened(
        browser, tmp_path / "stale.html", page(sheets(net, found), found, stale="12:34:56")
    )
    assert "T101" in stale.tab.locator(".told").inner_text()
    assert stale.tab.locator(".unit").count() > 5
    stale.close()


def flat(count: int) -> str:
    """A network of so many nodes, none of them in a block: every one is a box at first sight."""
    lines = ["input: [N, 3, H, W]", "sizes: {N: 1, H: 64, W: 64}", "layers:"]
    for number in range(count // 2):
        lines.append(
            f"  conv{number}: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}}"
        )
        lines.append(f"  relu{number}: ReLU")
    return "\n".join(lines)


def test_weight_and_time(browser: Any, tmp_path: Path) -> None:
    """Pages stay small, and what a browser does until one is seen stays short."""
    net = tracer.loads(flat(500))
    html = page(sheets(net, judge(net)), judge(net))
    assert len(html.encode()) < 400_000
    shown = Opened(browser, tmp_path / "flat.html", html)
    assert shown.tab.locator("#viewport svg .box").count() == 501

    # As often as it takes on a machine that does other things, against the picture alone in the same browser.
    alone = """() => {
      const box = document.createElement("div"), text = document.querySelector("#viewport svg").outerHTML;
      document.body.append(box);
      const start = performance.now();
      box.innerHTML = text;
      box.getBoundingClientRect();
      return performance.now() - start;
    }"""
    took, picture = [], []
    for _ in range(4):
        shown.tab.reload()
        shown.tab.wait_for_function("() => window.tracer")
        took.append(shown.tab.evaluate("tracer.took"))
        picture.append(shown.tab.evaluate(alone))
    assert min(took) < 8 * min(picture) + 100, f"{took} ms; the picture alone {picture} ms"
    shown.tab.close()


@pytest.mark.parametrize("name", ["hrnet", "conv_tasnet"])
def test_the_largest_pages(name: str) -> None:
    """The configs with the most nodes and the most sheets."""
    net = tracer.load(CONFIGS / f"{name}.yaml")
    found = judge(net)
    with at_most(4):
        html = page(sheets(net, found), found)
    assert len(html.encode()) < 600_000
