"""First contacts: what a user of torch, or of another tool, writes is answered by what to write."""

from __future__ import annotations

import inspect

import pytest

import tracer
from tests.network.test_language import faults, one, place
from tracer.network.spelling import operation_hint, operations_meant
from tracer.ops.registry import find_operation, operation_names
from tracer.views.report import summary


def hint_of(layer: str, shape: str = "[1, 3, 64, 64]") -> str:
    """The hint for the one fault of a network of a single layer."""
    return one(f"input: {shape}\nlayers:\n  a: {layer}\n").hint or ""


def test_names_of_torch_lead_to_operations() -> None:
    """Whatever stands before the last dot; functions are the operations that they compute."""
    text = """\
        input: [1, 3, 64, 64]
        layers:
          a: {op: torch.nn.Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          b: {op: nn.Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          c: {op: torch.cat, from: [a, b]}
          d: {op: F.relu}
        """
    found = faults(text)
    assert [place(d) for d in found] == [("T101", line, 11) for line in (3, 4, 5, 6)]
    meant = ("Conv2d", "Conv2d", "Concat", "ReLU")
    assert [d.hint for d in found] == [f"did you mean {name!r}?" for name in meant]


@pytest.mark.parametrize(
    ("written", "axes", "meant"),
    [
        ("Conv", 2, "Conv2d"),
        ("batch_norm", 2, "BatchNorm2d"),
        ("BatchNormalization", 3, "BatchNorm3d"),
        ("Deconv2d", 2, "ConvTranspose2d"),
        ("keras.layers.Conv2DTranspose", 2, "ConvTranspose2d"),
        ("conv_transpose3d", 2, "ConvTranspose3d"),
        ("MaxPooling2D", 2, "MaxPool2d"),
        ("Dense", 2, "Linear"),
        ("Convv2d", 1, "Conv2d"),
        ("tf.concat", 2, "Concat"),
    ],
)
def test_another_spelling_has_the_dims_of_the_network(
    written: str, axes: int, meant: str
) -> None:
    """A number of dims in the word is kept; without one it is the network's."""
    assert operations_meant(written, axes) == [meant]


def test_a_word_far_from_all_leads_nowhere() -> None:
    """No hint is better than one that misleads; neither does a text without bound or a broken call take long."""
    for word in ("SeparableConvolution", "lin", "", ".", "(", "f()", "x" * 10_000):
        assert operation_hint(word, [], 2) == "`tracer ops` lists the operations"


def test_calls_of_python_are_answered_by_the_mapping_to_write() -> None:
    """Arguments by position have torch's order; what the input gives is left out, expressions get their braces."""
    assert hint_of("Conv2d(32, 4, 1)") == "write {op: Conv2d, out_channels: 4, kernel_size: 1}"
    assert hint_of("ReLU(inplace=True)") == "write {op: ReLU, inplace: true}"
    assert hint_of("nn.ReLU()") == "write ReLU"
    wide = "nn.Conv2d(c, 2*c, (3, 3), 2, 1, bias=False)"
    written = (
        'out_channels: "${2 * c}", kernel_size: [3, 3], stride: 2, padding: 1, bias: false'
    )
    assert hint_of(f'"{wide}"') == f"write {{op: Conv2d, {written}}}"


@pytest.mark.parametrize(
    ("call", "mapping"),
    [
        ("torch.cat([a, b], dim=1)", "{op: Concat, from: [a, b], dim: 1}"),
        ("torch.cat((a, b), 1)", "{op: Concat, from: [a, b], dim: 1}"),
        ("Concat(a, b)", "{op: Concat, from: [a, b]}"),
        ("torch.add(a, b)", "{op: Add, from: [a, b]}"),
        ("F.interpolate(a, scale_factor=2)", "{op: Interpolate, from: a, scale_factor: 2}"),
        ("F.max_pool2d(a, 2)", "{op: MaxPool2d, from: a, kernel_size: 2}"),
        ("F.relu(a)", "{op: ReLU, from: a}"),
    ],
)
def test_the_maps_that_a_function_is_called_with_are_its_inputs(
    call: str, mapping: str
) -> None:
    """What is to be written is a network that loads."""
    assert operation_hint(call, [], 2) == f"write {mapping}"

    layers = "  a: {op: Conv2d, out_channels: 4, kernel_size: 1}\n  b: ReLU\n"
    tracer.loads(f"input: [1, 3, 8, 8]\nlayers:\n{layers}  c: {mapping}\n")


def test_channels_that_stand_last_are_asked_after() -> None:
    layer = "{op: Conv2d, in_channels: 3, out_channels: 4, kernel_size: 3}"
    for shape, moved in (("[64, 48, 3]", "[3, 64, 48]"), ("[1, 64, 48, 3]", "[1, 3, 64, 48]")):
        expected = f"are the channels last? torch takes them before the sizes: {moved}"
        assert hint_of(layer, shape) == expected
    assert hint_of(layer, "[1, 4, 64, 48]") == "leave in_channels out to take the input's"


def test_other_words_for_a_pool_s_kernel_and_for_op() -> None:
    assert hint_of("{op: MaxPool2d, size: 2}") == "did you mean 'kernel_size'?"
    assert hint_of("{block: conv}") == "did you mean `op` instead of 'block'?"


def test_arguments_by_position_are_in_the_order_of_torch() -> None:
    """What a call's hint names is what torch would have taken."""
    nn = pytest.importorskip("torch").nn
    compared = 0
    for name in operation_names():
        cls, theirs = find_operation(name), getattr(nn, name, None)
        if theirs is None or name == "Parameter":
            continue
        order = [p for p in inspect.signature(theirs).parameters if p not in ("args", "kwargs")]
        own = cls.positional or cls.__struct_encode_fields__  # type: ignore[union-attr]
        assert set(cls.positional) <= set(cls.__struct_encode_fields__)  # type: ignore[union-attr]
        shared = min(len(order), len(own), 5)
        if name != "RNNCell":  # its fourth is a flag that no call gives by position
            assert list(own[:shared]) == order[:shared], name
        compared += 1
    assert compared > 100


def test_tuples_are_lists() -> None:
    """As a text of its own, and inside of braces, where YAML ends a value at the comma."""
    torn = one(
        "input: [1, 3, 64, 64]\nlayers:\n  a: {op: Conv2d, out_channels: 8, kernel_size: (3, 3), padding: 1}\n"
    )
    assert place(torn) == ("T004", 3, 49)
    assert torn.hint == "write `kernel_size: [3, 3]`"
    whole = "\n    op: Conv2d\n    out_channels: 8\n    kernel_size: (3, 3)"
    assert hint_of(whole) == "write [3, 3]"


def test_other_words_for_arguments() -> None:
    """All that a layer has are told at once; what is no argument says where it goes."""
    assert hint_of("{op: Conv2d, in: 3, out: 8, kernel_size: 3}") == (
        "did you mean `in_channels` instead of 'in', `out_channels` instead of 'out'?"
    )
    assert hint_of("{op: Conv2d, filters: 8, kernel_size: 3}") == "did you mean 'out_channels'?"
    assert hint_of("{op: Concat, inputs: [input, input]}") == "did you mean `from`?"
    assert hint_of("{op: Concat, skip: input}") == "did you mean `from`?"
    act = hint_of("{op: Conv2d, out_channels: 8, kernel_size: 3, activation: relu}")
    assert act == "it is a layer of its own, behind a: `a_activation: ReLU`"
    skips = one("input: [1, 3, 8, 8]\nlayers: {a: ReLU}\nskips: [a]\n")
    assert place(skips)[0] == "T003" and "Concat, from: [" in (skips.hint or "")


def test_names_in_one_text_are_a_list() -> None:
    """Whether commas or spaces stand between them."""
    for written in ("a, input", "a input", "(a, input)"):
        text = (
            f'input: [1, 3, 8, 8]\nlayers:\n  a: ReLU\n  b: {{op: Concat, from: "{written}"}}\n'
        )
        found = one(text)
        assert place(found) == ("T102", 4, 25)
        assert found.hint == "several names are a list: write [a, input]"


def test_layers_in_a_list_need_names() -> None:
    """The hint has the first layer as it is to be written."""
    found = one("input: [1, 3, 8, 8]\nlayers:\n  - {op: ReLU}\n  - ReLU\n")
    assert place(found) == ("T004", 3, 3)
    assert "`relu: {op: ReLU, ...}`" in (found.hint or "")
    named = one("input: [1, 3, 8, 8]\nlayers:\n  - conv: {op: ReLU}\n")
    assert named.hint == "leave the dashes out: `conv: ...`"


def test_a_value_that_a_use_hands_in_is_at_fault_there() -> None:
    """Through several blocks, for each use; the place in the block is told beside it."""
    text = """\
        params: {base: 8}
        input: [1, 3, 64, 64]
        blocks:
          one:
            args: {ch: null}
            layers:
              a: {op: Conv2d, out_channels: "${ch}", kernel_size: 3, padding: 1}
          two:
            args: {wide: null}
            layers:
              b: {op: one, ch: "${wide}"}
        layers:
          x: {op: two, wide: base*2}
          y: {op: one, ch: -1}
          z: {op: one, ch: same}
        """
    found = faults(text)
    assert [place(d) for d in found] == [("T004", 13, 22), ("T202", 14, 20), ("T004", 15, 20)]
    assert [r.span.line for r in found[0].related] == [7, 11]
    assert [d.hint for d in found][::2] == ['write "${base*2}"', None]


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 7])
def test_same_of_keras_on_a_transposed_convolution(kernel: int, stride: int) -> None:
    """The paddings of the hint give stride times the size; where none do, nothing is said."""
    layer = f"{{op: ConvTranspose2d, out_channels: 4, kernel_size: {kernel}, stride: {stride}, padding: same}}"
    hint = hint_of(layer, "[1, 8, 32, 32]")
    if not hint:
        assert stride == 1 and kernel % 2 == 0
        return

    values = hint.partition("write ")[2].rpartition(":")[0]
    closed = layer.replace("padding: same", values)
    net = tracer.loads(f"input: [1, 8, 32, 32]\nlayers: {{t: {closed}}}\n")
    assert net.trace().shapes["t"] == (1, 4, 32 * stride, 32 * stride)
    assert hint.endswith(f"{32 * stride} x {32 * stride} from 32 x 32")


def test_a_fault_in_a_block_names_the_use() -> None:
    """A block is used in many lines: which of them is wrong stands in the message itself."""
    text = """\
        input: [1, 3, 50, 64]
        blocks:
          up:
            inputs: [x, skip]
            layers:
              t: {op: ConvTranspose2d, from: x, out_channels: 8, kernel_size: 2, stride: 2}
              cat: {op: Concat, from: [t, skip]}
        layers:
          e1: {op: MaxPool2d, kernel_size: 2}
          e2: {op: MaxPool2d, kernel_size: 2}
          u2: {op: up, from: [e2, e1]}
        """
    found = next(d for d in faults(text) if d.severity == "error")
    assert place(found) == ("T301", 7, 17)
    assert found.message.startswith("u2.cat (used in line 11): ")
    assert summary([found], 1).endswith("`tracer plan` tries repairs")


def test_kerass_same_of_what_is_solved_for_names_no_numbers() -> None:
    """A kernel or a stride that is auto has no value yet; its paddings are solved for with it, and the plan doubles."""
    layer = "{op: ConvTranspose2d, out_channels: 4, kernel_size: auto(2..5), stride: 2, padding: same}"
    start = (
        "in Keras that is the stride times the size; write padding: auto, output_padding: auto"
    )
    assert hint_of(layer).startswith(start)
    assert hint_of(layer.replace("auto(2..5)", "3").replace("2, p", "[2, auto], p")).startswith(
        start
    )

    written = layer.replace("same", "auto, output_padding: auto, expect: [1, 4, 128, 128]")
    net = tracer.loads(f"input: [1, 3, 64, 64]\nlayers:\n  a: {written}\n")
    assert net.trace().shapes["a"] == (1, 4, 128, 128)

    without = layer.replace("kernel_size: auto(2..5), ", "")
    assert hint_of(without) == ""
