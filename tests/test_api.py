"""The Python interface: what a user meets first, and one answer where two ways lead to it."""

from __future__ import annotations

import doctest
import importlib
import pydoc
import rlcompleter
from importlib.resources import files

import pytest

import tracer
from tracer.loading import reloaded

OPEN_SKIP = """
input: [1, 4, H, 8]
sizes: {H: 8}
layers:
  a: {op: Conv2d, out_channels: 4, kernel_size: 3}
  s: {op: Add, from: [a, input]}
"""
"""A network that does not close, in which nothing is open."""

NO_PERIOD = """
input: [1, 3, n, 8]
sizes: {n: 64}
layers:
  a: {op: Upsample, scale_factor: 0.3333333333333333}
  b: {op: MaxPool2d, kernel_size: [3000000, 1]}
  c: {op: MaxPool2d, kernel_size: [2999999, 1]}
"""


@pytest.mark.parametrize(
    "module",
    [
        "tracer.api.designs",
        "tracer.api.functions",
        "tracer.net",
        "tracer.planning.constraints",
        "tracer.sizing.size_set",
        "tracer.testing",
        "tracer.views.notebook",
        "tracer.views.strip",
    ],
)
def test_examples_run(module: str) -> None:
    """The examples in the docstrings give what they show."""
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted and not result.failed


def test_one_plan() -> None:
    """The method and the function are one answer: of a network that does not close, not feasible, with the fault."""
    net = tracer.loads(OPEN_SKIP)
    by_method, by_function = net.plan(), tracer.plan(net)
    assert type(by_method) is type(by_function) is tracer.Plan
    assert not by_method.feasible and not by_function.feasible
    assert (
        [d.code for d in by_method.diagnostics]
        == ["T301"]
        == [d.code for d in tracer.plan(net).diagnostics]
    )
    assert [r.title for r in by_method.repairs] == [r.title for r in by_function.repairs] != []


def test_a_plan_for_other_sizes() -> None:
    """Sizes given to a plan stand in the place of the declared ones, and do not change the network's own."""
    net = tracer.load("configs/conv_autoencoder.yaml")
    symbol = net.symbols[-1]
    own = tracer.plan(net).assignments
    other = tracer.plan(net, {symbol: 31})
    assert other.feasible and other.assignments == net.solution({symbol: 31}).assignments != own
    assert tracer.plan(net).assignments == own
    for given in ({symbol: 31}, {symbol: 5}):
        by_keyword = tracer.plan(net, **given).assignments
        assert (
            by_keyword
            == net.plan(**given).assignments
            == tracer.plan(net, sizes=given).assignments
        )
    assert tracer.plan(net, sizes={symbol: 5}, **{symbol: 31}).assignments == other.assignments
    for ask in (lambda: net.plan({"X": 3}), lambda: tracer.plan(net, X=3)):
        with pytest.raises(ValueError, match="no symbol 'X'"):
            ask()


def test_a_set_that_cannot_be_computed_is_refused_alike() -> None:
    """``tracer.sizes(net)`` and ``net.sizes()`` raise the same error, with a code and the config's name."""
    net = tracer.loads(NO_PERIOD, "wide.yaml")
    told = []
    for sizes in (lambda: tracer.sizes(net), lambda: net.sizes()):
        with pytest.raises(tracer.TracerError) as error:
            sizes()
        (diagnostic,) = error.value.diagnostics
        told.append((diagnostic.code, diagnostic.path, diagnostic.message))
    assert told[0] == told[1] and told[0][:2] == ("T006", "wide.yaml")


def test_public_names_are_seen() -> None:
    """``help`` documents every public name before it is used, and types reach other packages."""
    text = pydoc.plain(pydoc.render_doc(tracer))
    assert all(
        f"{name}(" in text for name in tracer.__all__ if name[0].islower() and name != "testing"
    )
    assert files("tracer").joinpath("py.typed").is_file()


def test_completion_shows_the_interface() -> None:
    """``dir`` and a prompt's completion have the public names and no others, whatever was imported before."""
    tracer.sizes(tracer.loads(OPEN_SKIP))
    assert {name for name in dir(tracer) if not name.startswith("_")} == set(tracer.__all__)
    assert hasattr(tracer, "sizing") and "sizing" not in dir(tracer)

    completer = rlcompleter.Completer({"tracer": tracer})
    found = []
    while (text := completer.complete("tracer.", len(found))) is not None:
        found.append(text.partition(".")[2].partition("(")[0])
    assert set(found) == set(tracer.__all__)
    assert all(getattr(tracer, name).__doc__ for name in tracer.__all__)
    assert not hasattr(tracer, "no_such_name")


def test_what_is_printed() -> None:
    """A network says what it is; a set prints as ``tracer sizes`` prints it."""
    net = tracer.loads(OPEN_SKIP)
    assert repr(net) == "<Net <string>: 3 nodes, input [1, 4, H, 8]>"
    assert repr(net.plan()) == "<Plan not feasible: T301>"
    assert str(tracer.sizes(net).axes["H"].runs) == "no n"


def test_a_symbol_may_be_called_self() -> None:
    """Any symbol's size can be given to a trace, a plan and the constraints; one called as an argument in a mapping."""
    text = "input: [1, 3, self, sizes]\nsizes: {self: 8, sizes: 4}\n"
    net = tracer.loads(text + "layers: {a: {op: MaxPool2d, kernel_size: 2}}\n")
    assert net.trace(self=16, sizes=6).outputs == {"a": (1, 3, 8, 3)}
    assert net.plan(self=16).feasible and not net.plan(self=1).feasible
    assert not tracer.plan(net, self=1).feasible
    assert not tracer.plan(net, {"sizes": 1}).feasible and not net.plan({"sizes": 1}).feasible
    assert 2 in tracer.sizes(net).axes["self"].runs

    ready = tracer.constraints(net)
    assert ready.runs(self=2) and not ready.runs(self=1)
    assert ready.nearest(self=1).above == {"self": 2}
    assert ready.why(self=1) and not ready.why(self=2)


def test_an_edited_text_is_loaded_alike() -> None:
    """A reloaded network has the params and sizes of the first; one that had no text cannot be reloaded."""
    text = "params: {base: 8}\ninput: [1, 3, H, 8]\nlayers:\n"
    text += "  a: {op: Conv2d, out_channels: '${base}', kernel_size: 1}\n"
    net = tracer.loads(text, base=4).with_sizes({"H": 6})
    again = reloaded(net, text.replace("kernel_size: 1", "kernel_size: 3"))
    assert again.trace().outputs == {"a": (1, 4, 4, 6)}
    with pytest.raises(TypeError, match="not loaded from a text"):
        reloaded(tracer.Net(net.network), text)
