"""Layers that share parameters, and layers whose parameters are constants: read, counted, refused at their line."""

from __future__ import annotations

import pytest

import tracer
from tracer.diagnostics import TracerError

TWINS = """
input: {left: [N, 3, H, W], right: [N, 3, H, W]}
sizes: {N: 1, H: 16, W: 16}
blocks:
  stage:
    args: {channels: null}
    layers:
      conv: {op: Conv2d, out_channels: "${channels}", kernel_size: 3, padding: 1}
      norm: BatchNorm2d
      act: ReLU
  encoder:
    layers:
      a: {op: stage, channels: 4}
      b: {op: stage, channels: 6, repeat: 2}
layers:
  one: {op: encoder, from: left}
  two: {op: encoder, from: right, weights: one}
  diff: {op: Sub, from: [one, two]}
"""


def test_a_block_shares_all_of_anothers_parameters() -> None:
    """Every layer of the one has those of the same layer of the other, which are counted once."""
    net = tracer.loads(TWINS)
    alone = tracer.loads(TWINS.replace(", weights: one", ""))
    shared = {node.name: node.weights.name for node in net.network.sharers if node.weights}
    assert shared["two.b.1.conv"] == "one.b.1.conv"
    assert len(shared) == 6

    from tracer.costs.operations import costs, total

    assert 2 * total(costs(net.trace())).params == total(costs(alone.trace())).params
    assert costs(net.trace())["two.a.conv"].macs == costs(net.trace())["one.a.conv"].macs


def faults(layers: str) -> list[tuple[str, int, str]]:
    """The code, line and message of what is wrong with some layers; line 3 is the first of them."""
    text = f"input: [1, 3, 8, 8]\nlayers:\n{layers}"
    found = tracer.checks(text)
    return [
        (d.code, d.span.line if d.span else 0, d.message)
        for d in found
        if d.severity == "error"
    ]


CONV = "  a: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}\n"
B = "  b: {op: Conv2d, out_channels: 3, padding: 1"
WIDER = "  d: {op: Conv2d, out_channels: 5, kernel_size: 1}\n"
OTHER_OP = "  b: {op: ConvTranspose2d, out_channels: 3, kernel_size: 3, weights: a}\n"
CASES = [
    (f"{B}, kernel_size: 3, weights: [a]}}", "", 0, ""),
    (f"{B}, kernel_size: 3, weights: c}}", "T102", 4, "unknown node 'c'"),
    (f"{B}, kernel_size: 3, weights: [a, a]}}", "T004", 4, "one name, not a list"),
    (
        f"{B}, kernel_size: 5, weights: a}}",
        "T202",
        4,
        "kernel_size is 5 for one, 3 for the other",
    ),
    (f"{B}, kernel_size: 3, stride: 2, weights: a}}", "T202", 4, "stride is 2 for one, 1 for"),
    (f"{B}, kernel_size: auto, weights: a}}", "T202", 4, "kernel_size is 1 for one"),
    (OTHER_OP, "T202", 4, "one is ConvTranspose2d, the other Conv2d"),
    ("  b: {op: ReLU, weights: a}", "T202", 4, "ReLU has no parameters to share"),
    (f"{B}, kernel_size: 3, weights: input}}", "T202", 4, "the input input has no"),
    ("  b: {op: ReLU, learned: false}", "T202", 4, "ReLU has no parameters, learned or not"),
    ("  b: {op: BatchNorm2d, learned: 3}", "T004", 4, "must be true or false"),
    (f"{B}, kernel_size: 3, weights: a, learned: false}}", "T202", 4, "one of them is learned"),
    (f"{B}, kernel_size: 3, weights: b}}", "T103", 4, "in a circle: b -> b"),
    (f"{WIDER}{B}, kernel_size: 3, weights: a}}", "T204", 5, "is 3; the input has 5"),
]


@pytest.mark.parametrize(("layers", "code", "line", "said"), CASES)
def test_faults_are_at_their_line(layers: str, code: str, line: int, said: str) -> None:
    """One fault each, at the name under ``weights``; a list of one name is that name."""
    found = faults(CONV + layers)
    if not code:
        assert found == []
        return
    ((found_code, at, message),) = found
    assert (found_code, at) == (code, line)
    assert said in message


def test_widths_that_sizes_decide() -> None:
    """A layer that flattens its input shares parameters at the sizes where both are as wide."""
    net = tracer.loads("""
input: {x: [1, H], y: [1, W]}
sizes: {H: 6, W: 6}
layers:
  a: {op: Linear, out_features: 4, from: x}
  b: {op: Linear, out_features: 4, from: y, weights: a}
  out: {op: Add, from: [a, b]}
""")
    assert not net.trace().diagnostics
    assert [d.code for d in net.trace(H=7).diagnostics] == ["T204"]


def test_a_copy_shares_with_a_copy_or_with_the_one() -> None:
    """Copies share with the copies of what is repeated as well; with a single node, all with that."""
    text = """
input: [1, 3, 8, 8]
layers:
  a: {op: Conv2d, out_channels: 3, kernel_size: 1, repeat: 2}
  b: {op: Conv2d, out_channels: 3, kernel_size: 1, repeat: 2, weights: a}
  c: {op: Conv2d, out_channels: 3, kernel_size: 1, repeat: 2, weights: a.0}
"""
    shared = {n.name: n.weights.name for n in tracer.loads(text).network.sharers if n.weights}
    assert shared == {"b.0": "a.0", "b.1": "a.1", "c.0": "a.0", "c.1": "a.0"}


def test_a_change_of_weights_is_a_difference() -> None:
    """``tracer compare`` tells it as a change of an argument, and of the parameters."""
    from tracer.comparing.comparison import compare

    before = tracer.loads(TWINS.replace(", weights: one", ""))
    found = compare(before, tracer.loads(TWINS))
    assert {c.name for c in found.changed} >= {"two.a.conv"}


def test_no_config_breaks_the_reading() -> None:
    """A block has no ``learned``; inside of a block, ``weights`` is a local name."""
    text = TWINS.replace("weights: one", "learned: false")
    with pytest.raises(TracerError, match="T003"):
        tracer.loads(text)
    inner = TWINS.replace("channels: 6, repeat: 2", "channels: 4, weights: one.a")
    with pytest.raises(TracerError, match="unknown node 'one"):
        tracer.loads(inner)


def test_a_circle_is_one_fault() -> None:
    """Three layers that share each other's weights in a circle, and one that leads into it, are told once."""
    layers = "".join(
        f"  {name}: {{op: Conv2d, out_channels: 3, kernel_size: 1, weights: {other}}}\n"
        for name, other in (("z", "a"), ("a", "b"), ("b", "c"), ("c", "a"))
    )
    (found,) = tracer.checks(f"input: [1, 3, 8, 8]\nlayers:\n{layers}")
    assert (found.code, found.message) == (
        "T103",
        "`weights` go in a circle: z -> a -> b -> c -> a",
    )


def test_a_number_in_quotes_is_a_number() -> None:
    """``"-1"`` in a shape is what -1 is: a dim that is inferred."""
    text = "input: [1, 3, H, 8]\nsizes: {{H: 8}}\nlayers: {{r: {{op: Reshape, shape: [1, {}, 8]}}}}"
    quoted, plain = (tracer.loads(text.format(dim)) for dim in ('"-1"', "-1"))
    assert quoted.trace(H=5).shapes["r"] == plain.trace(H=5).shapes["r"] == (1, 15, 8)
    assert tracer.sizes(quoted) == tracer.sizes(plain)
