"""One question for a ``Net``, a path and a torch module: each function of the interface takes them alike."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import tracer
from tracer.importing.recording import Unrepresentable

CONFIG = "configs/unet_padded.yaml"


class Skip(nn.Module):
    """Runs for even sizes; takes a mask by keyword too."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 4, 2, stride=2)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """The input beside what comes back from half its size."""
        if mask is not None:
            x = x * mask
        return torch.cat([x, self.up(self.down(x))], 1)


class Decides(nn.Module):
    """Does what no config says."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Decides by the values."""
        return x * 2 if x.mean() > 0 else x


FAILS = (1, 3, 10, 7)
"""A shape at which Skip does not run."""

QUESTIONS: dict[str, Callable[..., Any]] = {
    "check": tracer.check,
    "plan": lambda *given, **named: repr(tracer.plan(*given, **named)),
    "sizes": lambda *given, **named: str(tracer.sizes(*given, **named).axes["H"].runs),
    "constraints": lambda *given, **named: tracer.constraints(*given, **named).to_json(),
    "draw": tracer.draw,
}
"""Each function, with what can be compared of its answer."""

every_question = pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)


@every_question
def test_a_path_is_asked_as_its_net(ask: Callable[..., Any]) -> None:
    """A path, its ``Path`` and the net that is loaded from it have one answer, at declared and at other sizes."""
    net = tracer.load(CONFIG)
    assert ask(CONFIG) == ask(Path(CONFIG)) == ask(net)
    shape = (1, 1, 63, 64)
    other = ask(CONFIG, shape)
    assert other == ask(net, shape) == ask(CONFIG, inputs={"input": shape})
    if ask is tracer.check:
        assert {d.code for d in other} >= {"T301"} and not ask(CONFIG)


@every_question
def test_a_module_is_asked_as_its_net(ask: Callable[..., Any]) -> None:
    """Where the module runs, the answer is that of what ``from_module`` gives."""
    shape = (1, 3, 8, 6)
    assert ask(Skip(), shape) == ask(tracer.from_module(Skip(), shape))


def test_a_size_at_which_the_module_fails() -> None:
    """The answer is for that size: the finding at the module's line, the sizes that run, and what would repair it."""
    module = Skip()
    with pytest.raises(RuntimeError):
        module(torch.zeros(FAILS))
    errors = [d for d in tracer.check(module, FAILS) if d.severity == "error"]
    (found,) = errors
    line = Skip.forward.__code__.co_firstlineno + 4
    assert (found.code, found.path, found.span and found.span.line) == (
        "T301",
        "tests/test_given.py",
        line,
    )
    assert found.message == "sizes differ in dim 3: 7 from input, 6 from up"
    assert found.hint == "`tracer.plan(module, (1, 3, 10, 7))` lists repairs"

    plan = tracer.plan(module, FAILS)
    assert not plan.feasible and [d.message for d in plan.diagnostics] == [found.message]
    repaired = tracer.loads(plan.repairs[0].text)
    assert repaired.trace().outputs == {"concat": (1, 6, 10, 7)}

    ready = tracer.constraints(module, FAILS)
    padded = nn.functional.pad(torch.zeros(FAILS), ready.pad_to(FAILS))
    assert module(padded).shape == (1, 6, 10, 8)
    assert "sizes differ" in tracer.draw(module, FAILS)


def test_inputs_by_keyword() -> None:
    """A mask is given by the name that the forward has for it, or by its position."""
    mask = (1, 1, 8, 6)
    for net in (
        tracer.from_module(Skip(), (1, 3, 8, 6), inputs={"mask": mask}),
        tracer.from_module(Skip(), (1, 3, 8, 6), mask),
    ):
        assert len([node for node in net.network.nodes if node.is_input]) == 2
    assert tracer.check(Skip(), (1, 3, 8, 6), inputs={"mask": mask}) == []
    (found,) = tracer.check(Skip(), (1, 3, 8, 6), inputs={"mosk": mask})
    assert found.code == "T602" and "unexpected keyword argument 'mosk'" in found.message
    assert found.hint is not None and "inputs={NAME: shape}" in found.hint


def test_what_cannot_be_imported_raises_with_diagnostics() -> None:
    """Every function but ``check``, which gives them; who catches the importer's own refusal still does."""
    found = tracer.check(Decides(), (1, 3, 8, 8))
    assert [d.code for d in found] == ["T601"]
    line = Decides.forward.__code__.co_firstlineno + 2
    assert found[0].span is not None and found[0].span.line == line

    functions: list[Callable[..., Any]] = [
        tracer.plan,
        tracer.sizes,
        tracer.constraints,
        tracer.draw,
        tracer.from_module,
    ]
    for function in functions:
        with pytest.raises(tracer.TracerError) as error:
            function(Decides(), (1, 3, 8, 8))
        assert [d.code for d in error.value.diagnostics] == ["T601"]
        assert isinstance(error.value, Unrepresentable)

    with pytest.raises(tracer.TracerError, match=r"T301.*sizes differ in dim 3: 7"):
        tracer.from_module(Skip(), FAILS)


def test_a_module_is_left_as_it_is() -> None:
    """Its mode, its weights and its hooks are those of before, whether it runs or not."""
    module = Skip().train()
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    tracer.check(module, FAILS)
    tracer.sizes(module, (1, 3, 8, 8))
    assert module.training and module(torch.zeros(1, 3, 8, 8)).shape == (1, 6, 8, 8)
    after = module.state_dict()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (
            (Skip, (1, 3, 8, 8)),
            TypeError,
            "the class Skip is no Net, .*: a module is an object",
        ),
        ((5,), TypeError, "int is no Net, no path and no torch module"),
        ((Skip(), 1, 3, 8, 8), TypeError, "a shape is a tuple of sizes"),
        ((Skip(), "1,3,8,8"), TypeError, "a shape is a tuple of sizes"),
        (
            (Skip(), torch.zeros(1, 3, 8, 8)),
            TypeError,
            r"not a Tensor: give its shape, \(1, 3, 8, 8\)$",
        ),
        (
            (CONFIG, (1, 1, 8, 8), (1, 1, 8, 8)),
            ValueError,
            "2 shapes are given; the inputs are",
        ),
    ],
)
def test_what_is_no_network(given: Any, error: type[Exception], said: str) -> None:
    """A mistake of the program that calls is its own exception, which says what is taken."""
    with pytest.raises(error, match=said):
        tracer.check(*given)


def test_a_mistake_is_told_by_each_function() -> None:
    """What is no network, and what is no text, is told in words of the interface."""
    with pytest.raises(TypeError, match="the class Skip is no Net"):
        tracer.import_(Skip, (1, 3, 8, 8))  # type: ignore[arg-type]
    for text in (None, b"input: [1]", 5):
        with pytest.raises(TypeError, match="a config's text is a str"):
            tracer.loads(text)  # type: ignore[arg-type]


def test_two_paths_are_compared(tmp_path: Path) -> None:
    """A path is compared as the network that it has."""
    nets = [tracer.load(CONFIG), tracer.load(CONFIG, base=8)]
    other = tmp_path / "other.yaml"
    text = Path(CONFIG).read_text("utf-8")
    other.write_text(text.replace("base: 64", "base: 8"), "utf-8")

    found = tracer.compare(CONFIG, other)
    assert found.differs and not tracer.compare(CONFIG, nets[0]).differs
    assert found.totals == tracer.compare(*nets).totals
    with pytest.raises(FileNotFoundError):
        tracer.compare(CONFIG, "none.yaml")


@pytest.mark.parametrize("size", [-4, 2**63, 10**30, 10**4000])
def test_a_size_that_no_tensor_has(size: int) -> None:
    """It is a finding before torch is asked."""
    (found,) = tracer.check(Skip(), (1, 3, size, 8))
    assert (found.code, found.path) == ("T202", "Skip")


@pytest.mark.parametrize("shape", [(10**9, 3, 10**9, 10**9), (1, 3, 10**18, 8)])
def test_more_elements_than_a_tensor_has(shape: tuple[int, ...]) -> None:
    """Torch makes no such input, not even one without data: an error with torch's words."""
    with pytest.raises(RuntimeError) as refused:
        torch.empty(shape, device="meta")
    (found,) = tracer.check(Skip(), shape)
    assert found.severity == "error"
    assert str(refused.value).splitlines()[0] in found.message


def test_check_never_raises_on_bad_input(tmp_path: Path) -> None:
    """A file that is missing, no text, or no network is a finding."""
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.yaml", tmp_path, broken):
        assert [d.severity for d in tracer.check(path)] == ["error"]


def test_a_plan_of_a_path_with_wrong_arguments() -> None:
    """It is an answer, as that of the command: not feasible, with the fault."""
    assert not tracer.plan("tests/golden/T204.yaml").feasible


def test_params_of_a_config_or_of_a_net() -> None:
    """They are replaced in both; a module has none."""
    net = tracer.load(CONFIG)
    assert tracer.check(net, base=4) == tracer.check(CONFIG, base=4) == []
    with pytest.raises(TypeError, match="a module has no params to replace: base"):
        tracer.check(Skip(), (1, 3, 8, 8), base=4)


def test_other_shapes_of_a_net_that_has_other_sizes() -> None:
    """The last that is said holds; the sizes of other inputs' symbols stay."""
    net = tracer.loads(
        "input: {a: [1, 3, H, 8], b: [1, 3, n, 8]}\n"
        "sizes: {H: 8, n: 8}\nlayers: {s: {op: Concat, from: [a, b], dim: 2}}\n"
    ).with_sizes({"H": 5, "n": 6})
    drawn = tracer.draw(net, inputs={"a": (1, 3, 9, 8)}, to="mermaid")
    assert "3 × 15 × 8" in drawn and "3 × 11 × 8" in tracer.draw(net, to="mermaid")


def test_pictures() -> None:
    """A picture is a text, or bytes of pixels; another format is told with those that there are."""
    assert tracer.draw(CONFIG).startswith("<svg")
    assert "<html" in tracer.draw(CONFIG, to="html")
    deep = tracer.draw(CONFIG, to="mermaid", depth=None)
    assert len(deep) > len(tracer.draw(CONFIG, to="mermaid"))
    with pytest.raises(ValueError, match="no format 'jpeg'; formats: dot, html"):
        tracer.draw(CONFIG, to="jpeg")  # type: ignore[call-overload]


def test_torch_is_imported_for_a_module_only() -> None:
    """Questions about a config, and a mistaken argument, do not import it."""
    code = (
        "import sys, json, tracer\n"
        f"tracer.check({CONFIG!r}); tracer.plan({CONFIG!r}); tracer.sizes({CONFIG!r}, (1, 1, 64, 64))\n"
        f"tracer.constraints({CONFIG!r}); tracer.draw({CONFIG!r})\n"
        "try: tracer.check(5)\n"
        "except TypeError: print(json.dumps('torch' in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) is False
