"""What a symbol's card says of sizes is what Python says of them: one message, for the others as they are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tracer
from tests import extras
from tests.drawn.texts import BROKEN
from tests.live.test_live import OPEN
from tests.views.in_browser import Opened, opened
from tracer.net import Net

extras.needs("page")
from playwright import sync_api as playwright

TWO = """
input: [N, 3, H, W]
sizes: {N: 1, H: 50, W: 75}
encoder:
  e1: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  p1: {op: MaxPool2d, kernel_size: 2}
  e2: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  p2: {op: MaxPool2d, kernel_size: 2}
decoder:
  u2: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}
  c2: {op: Concat, from: [u2, e2]}
  u1: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}
  c1: {op: Concat, from: [u1, e1]}
"""
TIED = """
input: {a: [N, 3, H, W], b: [N, 3, h, W]}
sizes: {N: 1, H: 32, W: 20, h: 15}
layers:
  half: {op: Conv2d, from: a, out_channels: 4, kernel_size: 2, stride: 2}
  same: {op: Conv2d, from: b, out_channels: 4, kernel_size: [1, 2], stride: [1, 2]}
  sum: {op: Add, from: [half, same]}
"""
PROMISED = """
input: [N, 3, H, W]
sizes: {N: 1, H: 30, W: 32}
layers:
  down: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 4, padding: 1, expect: [N, 4, H // 4, W // 4]}
  up: {op: Upsample, scale_factor: 4, expect: [N, 4, H, W]}
"""
NETS = {"broken": BROKEN, "two": TWO, "tied": TIED, "open": OPEN, "promised": PROMISED}

REFUSED, RUNS, FULL = range(3)
LOSS = {"T501", "T502"}

FAR = 40
"""How far the long way looks."""


def level(net: Net, sizes: Mapping[str, int]) -> int:
    """How well a network works, as Python traces it: the long way."""
    trace = net.trace(**sizes)
    errors = [d for d in trace.diagnostics if d.severity == "error"]
    if None in trace.by_index or any(d.code != "T304" for d in errors):
        return REFUSED
    return RUNS if errors or trace.lost() else FULL


def card(shown: Opened, symbol: str) -> Any:
    label = shown.tab.get_by_label(symbol, exact=True)
    return shown.tab.locator(".control", has=label).locator(".near")


def nearest(net: Net, sizes: dict[str, int], symbol: str, least: int) -> list[int]:
    """The nearest size below and above that works so well, one by one."""
    found = []
    for sign in (-1, 1):
        for away in range(1, FAR + 1):
            n = sizes[symbol] + sign * away
            if n >= 1 and level(net, {**sizes, symbol: n}) >= least:
                found.append(n)
                break
    return found


@pytest.mark.parametrize("name", NETS)
def test_every_answer_is_pythons(browser: Any, tmp_path: Path, name: str) -> None:
    """At drawn sizes: what is said to run runs, nothing nearer does, and where nothing is offered nothing works."""
    net = tracer.loads(NETS[name])
    shown = opened(browser, tmp_path, net)
    draw = random.Random(name)
    met: Counter[str] = Counter()
    symbols = [symbol for symbol in net.network.symbols if symbol != "N"]
    for _ in range(14):
        sizes = {symbol: draw.randint(6, 90) for symbol in symbols}
        sizes["N"] = 1
        now = level(net, sizes)
        answers = shown.tab.evaluate(
            "values => tracer.answers({...tracer.values, ...values})", sizes
        )
        for symbol in symbols:
            answer = answers[symbol]
            assert answer["now"] == now, (sizes, answer)
            met[answer["kind"]] += 1
            alone = {least: nearest(net, sizes, symbol, least) for least in (FULL, RUNS)}
            if answer["kind"] == "alone":
                offers = [offer[symbol] for offer in answer["offers"]]
                near = [n for n in offers if abs(n - sizes[symbol]) <= FAR]
                assert near == alone[answer["level"]], (sizes, symbol, answer)
                continue

            # No other size of this symbol alone makes it better.
            better = FULL if now else RUNS
            assert alone[better] == [], (sizes, symbol, answer)
            changed = {name for offer in answer["offers"] for name in offer}
            assert not changed or symbol in changed, (sizes, symbol, answer)
            for offer in answer["offers"]:
                assert all(n != sizes[name] for name, n in offer.items())
                assert level(net, {**sizes, **offer}) == answer["level"], (sizes, offer)
                met["pairs"] += 1
                signs = {(n > sizes[s]) - (n < sizes[s]) for s, n in offer.items()}
                assert len(signs - {0}) == 1
    assert met["alone"] + met["together"] > 3
    if name in ("two", "broken"):
        assert met["pairs"] > 3 and met["together"] > 3
    shown.close()


def test_two_symbols_that_are_wrong_together(browser: Any, tmp_path: Path) -> None:
    """The nearest pair, padding up first; the card of a symbol that has no part in it says so; a click goes there."""
    shown = opened(browser, tmp_path, tracer.loads(TWO))
    near = card(shown, "H").locator("button")
    playwright.expect(near).to_have_text(["52 × 76", "48 × 72"])
    assert "with W too loses nothing" in card(shown, "H").inner_text()
    assert card(shown, "W").locator("button").all_inner_texts() == ["52 × 76", "48 × 72"]
    assert card(shown, "N").inner_text() == "what is wrong follows from H and W"
    assert "no size" not in shown.tab.locator("#controls").inner_text()
    near.first.click()
    playwright.expect(shown.tab.locator("#verdict")).to_have_text("runs")
    assert shown.tab.evaluate("[tracer.values.H, tracer.values.W]") == [52, 76]
    shown.close()


def test_a_card_has_one_message(browser: Any, tmp_path: Path) -> None:
    """The set that Python proves where it is what the program finds, and otherwise what was looked at."""
    net = tracer.loads(BROKEN)
    shown = opened(browser, tmp_path, net)
    text = tracer.sizes(net).axes["H"].lossless.written("H")
    playwright.expect(card(shown, "H")).to_contain_text(f"does not run; loses nothing: {text}:")
    assert shown.tab.locator(".control .near").count() == shown.tab.locator(".control").count()
    shown.tab.get_by_label("H", exact=True).fill("96")
    playwright.expect(card(shown, "N")).to_have_text("loses nothing: any N (up to 16)")

    # With another width the same set holds, as far as it was looked at.
    shown.tab.get_by_label("W", exact=True).fill("104")
    playwright.expect(card(shown, "H")).to_contain_text(f"{text} (up to 512):")
    shown.close()


SHORT = """
input: [N, 2, T]
sizes: {N: 4, T: 64}
layers:
  down: {op: Conv1d, out_channels: 8, kernel_size: 4, stride: 4}
  again: {op: Conv1d, out_channels: 8, kernel_size: 4, stride: 4}
  flat: {op: Flatten}
"""


@pytest.mark.parametrize(
    ("text", "sizes", "symbol", "nearest_size"),
    [(SHORT, {"T": 10}, "T", 16), (TWO, {"H": 2, "W": 76}, "H", 4)],
    ids=["one symbol", "two symbols"],
)
def test_a_symbol_that_need_not_change(
    browser: Any,
    tmp_path: Path,
    text: str,
    sizes: dict[str, int],
    symbol: str,
    nearest_size: int,
) -> None:
    """The others say whose size it is, and the sizes beside what is wrong name that one alone."""
    net = tracer.loads(text)
    shown = opened(browser, tmp_path, net)
    for name, n in sizes.items():
        shown.tab.get_by_label(name, exact=True).fill(str(n))
    playwright.expect(card(shown, symbol)).to_contain_text("does not run; loses nothing")
    beside = shown.tab.locator("#beside button")
    playwright.expect(beside).to_have_text([f"{symbol} = {nearest_size}"])
    others = [name for name in net.network.symbols if name != symbol]
    assert "N" in others
    for name in others:
        assert card(shown, name).inner_text() == f"what is wrong follows from {symbol}"
    beside.click()
    playwright.expect(shown.tab.locator("#verdict")).to_have_text("runs")
    shown.close()


@pytest.mark.parametrize("typed", ["-5", "", "2.5", "10000001"])
def test_what_is_no_size_is_said_to_be_none(browser: Any, tmp_path: Path, typed: str) -> None:
    """The field is marked, and says of which size the picture is; another size, or another control, ends that."""
    shown = opened(browser, tmp_path, tracer.loads(TWO))
    field, other = (shown.tab.get_by_label(name, exact=True) for name in "HW")
    said = shown.tab.locator(".control", has=field).locator(".refused")
    field.fill("52")
    colour = "one => getComputedStyle(one).borderTopColor"
    before = field.evaluate(colour)
    field.fill(typed)
    playwright.expect(field).to_have_attribute("aria-invalid", "true")
    assert field.evaluate(colour) != before
    text = "a size is a whole number from 0 to 10000000; the picture is that of H = 52"
    playwright.expect(said).to_have_text(text)
    assert field.get_attribute("aria-describedby") == said.get_attribute("id")
    assert shown.tab.evaluate("tracer.values.H") == 52
    assert other.get_attribute("aria-invalid") is None

    field.fill("0")
    playwright.expect(said).to_be_hidden()
    assert shown.tab.evaluate("tracer.values.H") == 0
    field.fill(typed)
    other.fill("76")
    playwright.expect(field).to_have_value("0")
    assert field.get_attribute("aria-invalid") is None
    shown.close()
