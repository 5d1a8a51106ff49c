"""Small encoders of the known families, each with the channels and strides of its published feature stages."""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """An encoder's config, what is tapped of it, and the sizes at which it runs."""

    text: str
    taps: list[tuple[int, int]]
    """The channels and the stride of every stage, from the finest on."""
    sizes: tuple[int, ...] = (64, 96)


def config(layers: list[str], blocks: str = "", size: int = 64) -> str:
    """A config over two axes."""
    head = f"input: [N, 3, H, W]\nsizes: {{N: 1, H: {size}, W: {size}}}\n"
    body = "\n".join(f"  {layer}" for layer in layers)
    return f"{head}{blocks}encoder:\n{body}\n"


def conv(
    name: str,
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    source: str = "",
) -> str:
    """A convolution that keeps the size, up to its stride."""
    more = f", stride: {stride}" if stride > 1 else ""
    more += f", groups: {groups}" if groups > 1 else ""
    more += f", padding: {kernel // 2}" if kernel > 1 else ""
    start = f"from: {source}, " if source else ""
    return (
        f"{name}: {{op: Conv2d, {start}out_channels: {channels}, kernel_size: {kernel}{more}}}"
    )


def unit(
    name: str,
    channels: int,
    kernel: int = 3,
    stride: int = 1,
    groups: int = 1,
    source: str = "",
) -> list[str]:
    """A convolution with its norm and activation."""
    return [
        conv(name, channels, kernel, stride, groups, source),
        f"{name}_norm: BatchNorm2d",
        f"{name}_act: ReLU",
    ]


CLASSIFIER = [
    "pool: {op: AdaptiveAvgPool2d, output_size: 1}",
    "flat: Flatten",
    "classes: {op: Linear, out_features: 10}",
]


def vgg() -> Family:
    """Convolutions before each pool, and a pool to 7 x 7 that is the classifier's."""
    layers = []
    for level, channels in enumerate((4, 8, 16)):
        layers += [*unit(f"a{level}", channels), *unit(f"b{level}", channels)]
        layers.append(f"pool{level}: {{op: MaxPool2d, kernel_size: 2}}")
    layers += ["seven: {op: AdaptiveAvgPool2d, output_size: 8}", *CLASSIFIER[1:]]
    return Family(config(layers), [(4, 1), (8, 2), (16, 4), (16, 8)], (64, 72))


def resnet() -> Family:
    """Bottlenecks: a block's first convolution is no stage's output, though it is the last at its resolution."""
    layers = [
        *unit("stem", 8, 7, 2),
        "pool: {op: MaxPool2d, kernel_size: 3, stride: 2, padding: 1}",
    ]
    before = "pool"
    for level, (channels, stride) in enumerate(((8, 1), (16, 2), (32, 2))):
        layers += unit(f"a{level}", channels, 1, 1, source=before)
        layers += unit(f"b{level}", channels, 3, stride)
        layers += unit(f"c{level}", channels * 4, 1)[:2]
        layers += unit(f"short{level}", channels * 4, 1, stride, source=before)[:2]
        layers += [
            f"sum{level}: {{op: Add, from: [c{level}_norm, short{level}_norm]}}",
            f"out{level}: ReLU",
        ]
        before = f"out{level}"
    layers += [item.replace("pool:", "mean:") for item in CLASSIFIER]
    return Family(config(layers), [(8, 2), (32, 4), (64, 8), (128, 16)])


def dilated() -> Family:
    """A dilated network of stride 8: the last stage is the deepest, and another one of its resolution is none."""
    layers = [
        *unit("stem", 8, 7, 2),
        "pool: {op: MaxPool2d, kernel_size: 3, stride: 2, padding: 1}",
    ]
    before = "pool"
    for level, (channels, stride) in enumerate(((8, 1), (16, 2), (32, 1), (64, 1))):
        layers += unit(f"b{level}", channels, 3, stride, source=before)
        layers += unit(f"short{level}", channels, 1, stride, source=before)[:2]
        layers += [
            f"sum{level}: {{op: Add, from: [b{level}_act, short{level}_norm]}}",
            f"wide{level}: {{op: Conv2d, out_channels: {channels}, kernel_size: 3, padding: 2, dilation: 2}}",
        ]
        before = f"wide{level}"
    return Family(config(layers), [(8, 2), (8, 4), (64, 8)])


CONVNEXT_BLOCK = """blocks:
  norm2d:
    layers:
      last: {op: Permute, dims: [0, 2, 3, 1]}
      norm: LayerNorm
      first: {op: Permute, dims: [0, 3, 1, 2]}
  block:
    args: {channels: null}
    layers:
      depth: {op: Conv2d, out_channels: "${channels}", kernel_size: 7, padding: 3, groups: "${channels}"}
      last: {op: Permute, dims: [0, 2, 3, 1]}
      norm: LayerNorm
      up: {op: Linear, out_features: "${channels * 4}"}
      act: GELU
      down: {op: Linear, out_features: "${channels}"}
      first: {op: Permute, dims: [0, 3, 1, 2]}
      scale: {op: Parameter, shape: ["${channels}", 1, 1]}
      scaled: {op: Mul, from: [scale, first]}
      sum: {op: Add, from: [scaled, input]}
"""


def convnext() -> Family:
    """Norms between permutes, before each stride; blocks that are partly channels-last."""
    layers = [
        "patch: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 4}",
        "norm0: norm2d",
    ]
    for level, channels in enumerate((8, 16, 32)):
        if level:
            layers += [
                f"norm{level}: norm2d",
                f"down{level}: {{op: Conv2d, out_channels: {channels}, kernel_size: 2, stride: 2}}",
            ]
        layers.append(f"stage{level}: {{op: block, channels: {channels}, repeat: 2}}")
    return Family(config([*layers, *CLASSIFIER], CONVNEXT_BLOCK), [(8, 4), (16, 8), (32, 16)])


def _inverted(level: int, channels: int, out: int, stride: int, same: bool) -> list[str]:
    """Expansion, depthwise convolution with its stride, squeeze and excitation, projection."""
    wide = channels * 6
    layers = unit(f"expand{level}", wide, 1)
    depth = f"depth{level}: {{op: Conv2d, out_channels: {wide}, kernel_size: 3, stride: {stride}, groups: {wide}"
    if same:
        layers += [f"pad{level}: {{op: ZeroPad2d, padding: [0, 1, 0, 1]}}", f"{depth}}}"]
    else:
        layers.append(f"{depth}, padding: 1}}")
    layers += [
        f"act{level}: SiLU",
        f"mean{level}: {{op: AdaptiveAvgPool2d, output_size: 1}}",
        f"gate{level}: {{op: Conv2d, out_channels: {wide}, kernel_size: 1}}",
        f"sigmoid{level}: Sigmoid",
        f"gated{level}: {{op: Mul, from: [sigmoid{level}, act{level}]}}",
        *unit(f"project{level}", out, 1)[:2],
    ]
    return layers


def mobilenet() -> Family:
    """Inverted bottlenecks: stages end with their narrow projections; the last convolution is the classifier's."""
    layers = [*unit("stem", 8, 3, 2), conv("depth", 8, 3, 1, 8), *unit("project", 4, 1)[:2]]
    layers += _inverted(1, 4, 6, 2, same=False)
    layers += _inverted(2, 6, 8, 2, same=False)
    layers += unit("last", 64, 1)
    return Family(config([*layers, *CLASSIFIER]), [(4, 2), (6, 4), (8, 8)])


def efficientnet() -> Family:
    """The same with the one-sided pads of TensorFlow's "same" convolutions."""
    layers = [
        "pad: {op: ZeroPad2d, padding: [0, 1, 0, 1]}",
        "stem: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2}",
        "stem_act: SiLU",
        conv("depth", 8, 3, 1, 8),
        *unit("project", 4, 1)[:2],
    ]
    layers += _inverted(1, 4, 6, 2, same=True)
    layers += _inverted(2, 6, 8, 2, same=True)
    layers += unit("last", 64, 1)
    return Family(config([*layers, *CLASSIFIER]), [(4, 2), (6, 4), (8, 8)])


def mobilenet_v1() -> Family:
    """A pointwise convolution behind a depthwise one completes it, also where it widens."""
    layers = unit("stem", 8, 3, 2)
    before = 8
    for level, channels in enumerate((16, 32, 64)):
        stride = 2 if level else 1
        layers += [
            *unit(f"depth{level}", before, 3, stride, before),
            *unit(f"point{level}", channels, 1),
        ]
        before = channels
    return Family(config([*layers, *CLASSIFIER]), [(16, 2), (32, 4), (64, 8)])


def densenet() -> Family:
    """Dense blocks: the transition's norm and narrow convolution belong to what comes next."""
    layers = [
        *unit("stem", 8, 7, 2),
        "pool: {op: MaxPool2d, kernel_size: 3, stride: 2, padding: 1}",
    ]
    before, channels = "pool", 8
    taps = [(8, 2)]
    for level in range(3):
        for number in range(2):
            name = f"{level}{number}"
            layers += [
                f"norm{name}: {{op: BatchNorm2d, from: {before}}}",
                f"act{name}: ReLU",
                conv(f"grow{name}", 4),
                f"cat{name}: {{op: Concat, from: [{before}, grow{name}]}}",
            ]
            before, channels = f"cat{name}", channels + 4
        taps.append((channels, 4 * 2**level))
        layers += [f"tnorm{level}: BatchNorm2d", f"tact{level}: ReLU"]
        if level < 2:
            channels //= 2
            layers += [
                conv(f"narrow{level}", channels, 1),
                f"half{level}: {{op: AvgPool2d, kernel_size: 2}}",
            ]
            before = f"half{level}"
    layers += [item.replace("pool:", "mean:") for item in CLASSIFIER]
    return Family(config(layers), taps)


def hrnet() -> Family:
    """Resolutions side by side that exchange sums: the streams are tapped, and not the ways between them."""
    layers = [*unit("stem", 8, 3, 2), *unit("one", 8, 3, 2), *unit("two", 16, 3, 2)]
    fine, coarse = "one_act", "two_act"
    for number in range(2):
        layers += [
            conv(f"fine{number}", 8, source=fine),
            f"fine{number}_sum: {{op: Add, from: [fine{number}, {fine}]}}",
            conv(f"coarse{number}", 16, source=coarse),
            f"coarse{number}_sum: {{op: Add, from: [coarse{number}, {coarse}]}}",
            conv(f"rise{number}", 8, 1),
            f"large{number}: {{op: Upsample, scale_factor: 2}}",
            f"to_fine{number}: {{op: Add, from: [large{number}, fine{number}_sum]}}",
            *unit(f"fall{number}", 16, 3, 2, source=f"fine{number}_sum")[:2],
            f"to_coarse{number}: {{op: Add, from: [fall{number}_norm, coarse{number}_sum]}}",
        ]
        fine, coarse = f"to_fine{number}", f"to_coarse{number}"
    return Family(config(layers), [(8, 2), (8, 4), (16, 8)])


def swin() -> Family:
    """Channels last throughout, windows in between, patches of four that are merged."""
    layers = [
        "patch: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 4}",
        "last: {op: Permute, dims: [0, 2, 3, 1]}",
    ]
    before = "last"
    for level, channels in enumerate((8, 16, 32)):
        size = f"{4 * 2**level}"
        rows, columns = f"H // {size}", f"W // {size}"
        layers += [
            f"norm{level}: {{op: LayerNorm, from: {before}}}",
            f"cut{level}: {{op: Reshape, shape: [N, ({rows}) // 2, 2, ({columns}) // 2, 2, {channels}]}}",
            f"windows{level}: {{op: Permute, dims: [0, 1, 3, 2, 4, 5]}}",
            f"rows{level}: {{op: Reshape, shape: [-1, 4, {channels}]}}",
            f"attention{level}: {{op: MultiheadAttention, num_heads: 2, batch_first: true}}",
            f"again{level}: {{op: Reshape, shape: [N, ({rows}) // 2, ({columns}) // 2, 2, 2, {channels}]}}",
            f"back{level}: {{op: Permute, dims: [0, 1, 3, 2, 4, 5]}}",
            f"whole{level}: {{op: Reshape, shape: [N, {rows}, {columns}, {channels}]}}",
            f"sum{level}: {{op: Add, from: [whole{level}, {before}]}}",
            f"wide{level}: {{op: Linear, out_features: {channels * 4}}}",
            f"act{level}: GELU",
            f"narrow{level}: {{op: Linear, out_features: {channels}}}",
            f"out{level}: {{op: Add, from: [narrow{level}, sum{level}]}}",
        ]
        before = f"out{level}"
        if level == 2:
            break
        quarters = []
        for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
            name = f"q{level}{row}{column}"
            layers += [
                f"{name}r: {{op: Slice, from: {before}, dim: 1, start: {row}, step: 2}}",
                f"{name}: {{op: Slice, dim: 2, start: {column}, step: 2}}",
            ]
            quarters.append(name)
        layers += [
            f"merge{level}: {{op: Concat, from: [{', '.join(quarters)}], dim: -1}}",
            f"mnorm{level}: LayerNorm",
            f"reduce{level}: {{op: Linear, out_features: {channels * 2}, bias: false}}",
        ]
        before = f"reduce{level}"
    layers += ["mean: {op: Mean, dim: [1, 2]}", "classes: {op: Linear, out_features: 10}"]
    return Family(config(layers), [(8, 4), (16, 8), (32, 16)], (64, 96))


def vit() -> Family:
    """Tokens of one resolution beside a class token: blocks inside are resized to the finer levels."""
    layers = [
        "patch: {op: Conv2d, out_channels: 32, kernel_size: 16, stride: 16}",
        "row: {op: Flatten, start_dim: 2}",
        "last: {op: Transpose, dim0: 1, dim1: 2}",
        "token: {op: Parameter, shape: [1, 1, 32]}",
        "tokens: {op: Expand, shape: [N, -1, -1]}",
        "all: {op: Concat, from: [tokens, last], dim: 1}",
    ]
    before = "all"
    for number in range(3):
        layers += [
            f"norm{number}: {{op: LayerNorm, from: {before}}}",
            f"attention{number}: {{op: MultiheadAttention, num_heads: 2, batch_first: true}}",
            f"seen{number}: {{op: Add, from: [attention{number}, {before}]}}",
            f"wide{number}: {{op: Linear, out_features: 64}}",
            f"act{number}: GELU",
            f"narrow{number}: {{op: Linear, out_features: 32}}",
            f"out{number}: {{op: Add, from: [narrow{number}, seen{number}]}}",
        ]
        before = f"out{number}"
    layers += [
        "norm: LayerNorm",
        "first: {op: Slice, dim: 1, stop: 1}",
        "one: {op: Squeeze, dim: 1}",
        "classes: {op: Linear, out_features: 10}",
    ]
    return Family(config(layers), [(8, 4), (16, 8), (32, 16)])


FAMILIES = {
    made.__name__: made()
    for made in (
        vgg,
        resnet,
        dilated,
        convnext,
        mobilenet,
        mobilenet_v1,
        efficientnet,
        densenet,
        hrnet,
        swin,
        vit,
    )
}
