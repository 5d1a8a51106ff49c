"""nnU-Net plans as networks: the package that nnU-Net builds them with is the judge."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import tracer
from tests import extras
from tracer.commands import cli
from tracer.diagnostics import TracerError
from tracer.neighbours.asked import Asked, ConfigFound
from tracer.neighbours.reading import neighbour

Configuration = dict[str, Any]

UNITS = {
    "instance": {
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm{}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    },
    "batch": {
        "conv_bias": False,
        "norm_op": "torch.nn.modules.batchnorm.BatchNorm{}d",
        "norm_op_kwargs": {"eps": 0.001},
        "dropout_op": "torch.nn.Dropout{}d",
        "dropout_op_kwargs": {"p": 0.2},
        "nonlin": "torch.nn.ReLU",
        "nonlin_kwargs": None,
    },
    "plain": {
        "conv_bias": True,
        "norm_op": None,
        "norm_op_kwargs": None,
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.GELU",
        "nonlin_kwargs": {},
    },
}
"""What comes with a convolution."""


def configuration(
    network: str,
    patch: list[int],
    strides: list[list[int]],
    kernels: list[list[int]],
    features: list[int],
    depths: list[int],
    decoder: list[int],
    unit: str = "instance",
    **more: Any,
) -> Configuration:
    """A configuration as nnU-Net writes it."""
    dims = len(patch)
    depth = "n_conv_per_stage" if network == "PlainConvUNet" else "n_blocks_per_stage"
    common = {
        word: value.format(dims) if isinstance(value, str) else value
        for word, value in UNITS[unit].items()
    }
    return {
        "batch_size": 2,
        "patch_size": patch,
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{network}",
            "arch_kwargs": {
                "n_stages": len(strides),
                "features_per_stage": features,
                "conv_op": f"torch.nn.modules.conv.Conv{dims}d",
                "kernel_sizes": kernels,
                "strides": strides,
                depth: depths,
                "n_conv_per_stage_decoder": decoder,
                **common,
                **more,
            },
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }


def residual(patch: list[int], stages: int, most: int) -> Configuration:
    """An encoder of residual blocks with the depths of nnU-Net's presets M, L and XL, which differ in their patches."""
    dims = len(patch)
    return configuration(
        "ResidualEncoderUNet",
        patch,
        [[1] * dims, *([2] * dims for _ in range(stages - 1))],
        [[3] * dims for _ in range(stages)],
        [min(32 << stage, most) for stage in range(stages)],
        [1, 3, 4, 6, 6, 6, 6, 6, 6][:stages],
        [1] * (stages - 1),
    )


PUBLISHED = {
    "residual-m-3d": residual([128, 128, 128], 6, 320),
    "residual-l-3d": residual([160, 192, 160], 6, 320),
    "residual-xl-3d": residual([192, 256, 192], 7, 320),
    "residual-2d": residual([512, 512], 8, 512),
    "anisotropic-3d": configuration(
        "PlainConvUNet",
        [20, 320, 256],
        [[1, 1, 1], [1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2], [1, 2, 2], [1, 2, 2]],
        [[1, 3, 3], [1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]],
        [32, 64, 128, 256, 320, 320, 320],
        [2] * 7,
        [2] * 6,
    ),
}
"""In the manner of the plans that nnU-Net's publications have."""


def drawn(seed: int) -> Configuration:
    """A configuration by chance."""
    chance = random.Random(seed)
    dims = chance.choice([2, 3])
    stages = chance.randint(2, 4)
    strides = [[chance.choice([1, 2, 2, 3]) for _ in range(dims)] for _ in range(stages)]
    strides[0] = [1] * dims if seed % 4 else strides[0]
    kernels = [[chance.choice([1, 3, 3, 5]) for _ in range(dims)] for _ in range(stages)]
    patch = [chance.randint(1, 2) for _ in range(dims)]
    for stride in strides:
        patch = [n * s for n, s in zip(patch, stride)]

    network = chance.choice(["PlainConvUNet", "ResidualEncoderUNet", "ResidualUNet"])
    more: dict[str, Any] = {}
    if network == "PlainConvUNet":
        more["nonlin_first"] = chance.choice([True, False])
    elif chance.random() < 0.5:
        more["stem_channels"] = chance.choice([4, 8, 12])
    return configuration(
        network,
        [4 * n for n in patch],
        strides,
        kernels,
        [chance.choice([4, 8, 12]) for _ in range(stages)],
        [chance.randint(1, 3) for _ in range(stages)],
        [chance.randint(1, 3) for _ in range(stages - 1)],
        chance.choice(list(UNITS)),
        **more,
    )


def before_architectures(one: Configuration) -> Configuration:
    """The configuration as it was written before plans named classes."""
    arguments = one["architecture"]["arch_kwargs"]
    depths = arguments.get("n_conv_per_stage") or arguments["n_blocks_per_stage"]
    return {
        "batch_size": one["batch_size"],
        "patch_size": one["patch_size"],
        "UNet_class_name": one["architecture"]["network_class_name"].rpartition(".")[2],
        "UNet_base_num_features": arguments["features_per_stage"][0],
        "unet_max_num_features": max(arguments["features_per_stage"]),
        "n_conv_per_stage_encoder": depths,
        "n_conv_per_stage_decoder": arguments["n_conv_per_stage_decoder"],
        "pool_op_kernel_sizes": arguments["strides"],
        "conv_kernel_sizes": arguments["kernel_sizes"],
    }


def plans(**configurations: Configuration) -> str:
    """The text of a file of plans."""
    return json.dumps(
        {"dataset_name": "Dataset001", "plans_name": "plans", "configurations": configurations}
    )


def read(text: str, path: str = "plans.json", key: str | None = None, **arguments: Any) -> str:
    """The config of a configuration."""
    found = neighbour(text, Asked(path, key, arguments))
    assert isinstance(found, ConfigFound)
    return found.text


def theirs(one: Configuration, channels: int, classes: int) -> torch.nn.Module:
    """The module that nnU-Net makes of a configuration, with all heads."""
    from dynamic_network_architectures.architectures import unet

    architecture = one["architecture"]
    arguments = dict(architecture["arch_kwargs"])
    for word in architecture["_kw_requires_import"]:
        if arguments[word] is not None:
            arguments[word] = getattr(torch.nn, arguments[word].rpartition(".")[2])
    kind = getattr(unet, architecture["network_class_name"].rpartition(".")[2])
    with torch.device("meta"):
        module: torch.nn.Module = kind(
            input_channels=channels, num_classes=classes, deep_supervision=True, **arguments
        )
    return module.eval()


def agree(text: str, one: Configuration) -> None:
    """The same parameters, one by one, and the same shapes of all outputs; also at twice the patch."""
    module = theirs(one, 3, 5)
    net = tracer.loads(text)
    own = tracer.build(net, "meta")
    shapes = [Counter(tuple(p.shape) for p in m.parameters()) for m in (module, own)]
    assert shapes[0] == shapes[1]

    spatial = [symbol for symbol in net.symbols if symbol != "N"]
    for factor in (1, 2):
        sizes = {"N": 2, **{s: factor * n for s, n in zip(spatial, one["patch_size"])}}
        given = torch.empty(2, 3, *(sizes[symbol] for symbol in spatial), device="meta")
        expected = [tuple(answer.shape) for answer in module(given)]
        assert list(net.trace(**sizes).outputs.values()) == expected


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configurations(name: str) -> None:
    """Plans of two and three axes, of kernels of 1 along a coarse axis, and of residual encoders."""
    extras.needs("zoo")
    one = PUBLISHED[name]
    agree(read(plans(only=one), input_channels=3, num_classes=5), one)


@pytest.mark.parametrize("name", PUBLISHED)
def test_before_plans_named_classes(name: str) -> None:
    """The older form says the same in fewer words."""
    one = before_architectures(PUBLISHED[name])
    known = {"input_channels": 3, "num_classes": 5}
    new, old = (read(plans(only=form), **known) for form in (PUBLISHED[name], one))
    assert new == old


@pytest.mark.parametrize("seed", range(24))
def test_drawn_configurations(seed: int) -> None:
    """Strides, kernels, channels, depths and layers by chance."""
    extras.needs("zoo")
    one = drawn(seed)
    agree(read(plans(only=one), input_channels=3, num_classes=5), one)


def test_one_head() -> None:
    """Without deep supervision the finest level alone has a head."""
    extras.needs("zoo")
    one = drawn(1)
    text = read(plans(only=one), input_channels=3, num_classes=5, deep_supervision=False)
    trace = tracer.loads(text).trace()
    assert list(trace.outputs.values()) == [(2, 5, *one["patch_size"])]


def test_what_is_inherited() -> None:
    """A configuration has what it says itself, and the rest of the one that it names."""
    small = PUBLISHED["anisotropic-3d"]
    child = {"inherits_from": "small", "patch_size": [40, 320, 256]}
    last = {"inherits_from": "child", "batch_size": 7}
    text = plans(small=small, child=child, last=last)
    sizes = tracer.loads(read(text, key="last")).network.sizes
    assert sizes == {"N": 7, "D": 40, "H": 320, "W": 256}


DATASETS = {
    "labels": ({"0": "CT"}, {"background": 0, "a": 1, "b": 2}, (1, 3)),
    "regions": (
        {"0": "T1", "1": "T2"},
        {"background": 0, "whole": [1, 2, 3], "core": [2, 3]},
        (2, 2),
    ),
    "ignored": ({"0": "CT"}, {"background": 0, "a": 1, "ignore": 2}, (1, 2)),
}


@pytest.mark.parametrize("name", DATASETS)
def test_channels_of_the_data(name: str, tmp_path: Path) -> None:
    """``dataset.json`` beside the plans has the channels and labels; a cascade's second stage gets the labels too."""
    channels, labels, expected = DATASETS[name]
    data = {"channel_names": channels, "labels": labels}
    (tmp_path / "dataset.json").write_text(json.dumps(data), "utf-8")
    second = {"inherits_from": "only", "previous_stage": "only"}
    text = plans(only=drawn(2), second=second)
    path = str(tmp_path / "plans.json")
    params = tracer.loads(read(text, path, "only")).network.params
    assert (params["in_channels"], params["classes"]) == expected
    params = tracer.loads(read(text, path, "second")).network.params
    foreground = {"labels": 2, "regions": 3, "ignored": 1}[name]
    assert params["in_channels"] == expected[0] + foreground


def refusal(text: str, key: str | None = None, **arguments: Any) -> tuple[str, str, str | None]:
    """Code, message and hint of what keeps plans from being read."""
    with pytest.raises(TracerError) as caught:
        neighbour(text, Asked("plans.json", key, arguments))
    (found,) = caught.value.diagnostics
    return found.code, found.message, found.hint


def changed(path: str, value: Any) -> str:
    """Plans of which one value is another; without a value it is left out."""
    one = json.loads(json.dumps(PUBLISHED["anisotropic-3d"]))
    *words, last = path.split(".")
    place = one
    for word in words:
        place = place[word]
    place[last] = value
    if value is ...:
        del place[last]
    return plans(a=one)


WRONG = [
    (
        changed("architecture.arch_kwargs.strides", [[1, 1, 1]] * 6),
        "T203",
        "`configurations.a.architecture.arch_kwargs.strides` has 6 values for 7 stages",
    ),
    (
        changed("architecture.arch_kwargs.kernel_sizes", [[3, 3]] * 7),
        "T203",
        "`configurations.a.architecture.arch_kwargs.kernel_sizes.0` has 2 values for 3 axes",
    ),
    (
        changed("architecture.arch_kwargs.strides", ...),
        "T201",
        "`configurations.a.architecture.arch_kwargs` has no `strides`",
    ),
    (
        changed("architecture.network_class_name", "some.package.Net"),
        "T601",
        "`configurations.a.architecture.network_class_name`: Net is none of the networks that are read of plans",
    ),
    (
        changed("architecture.arch_kwargs.norm_op", "my.package.Norm"),
        "T601",
        "`configurations.a.architecture.arch_kwargs.norm_op`: my.package.Norm is no layer of torch that is known",
    ),
    (
        changed("architecture.arch_kwargs.n_stages", "seven"),
        "T004",
        "`configurations.a.architecture.arch_kwargs.n_stages` must be an integer, not the text 'seven'",
    ),
    (
        changed("architecture.arch_kwargs.norm_op_kwargs", {"eps": [1], "affine": True}),
        "T004",
        "`configurations.a.architecture.arch_kwargs.norm_op_kwargs.eps` must be a number, a text, true, false or "
        "null, not a list",
    ),
    (
        changed("architecture.arch_kwargs.nonlin_kwargs", {"else": {"x": 1}}),
        "T004",
        "`configurations.a.architecture.arch_kwargs.nonlin_kwargs.else` must be a number, a text, true, false or "
        "null, not a mapping",
    ),
    (
        changed("architecture", ...),
        "T201",
        "`configurations.a` has no network: neither `architecture` nor `UNet_class_name`",
    ),
    (changed("inherits_from", "b"), "T102", "`configurations` has no 'b'"),
    (
        changed("inherits_from", "a"),
        "T103",
        "configurations.a.inherits_from leads back to a",
    ),
]


@pytest.mark.parametrize(("text", "code", "message"), WRONG)
def test_what_is_refused(text: str, code: str, message: str) -> None:
    """Each refusal names the key, by its dotted path."""
    assert refusal(text)[:2] == (code, message)


def test_the_key() -> None:
    """One of several configurations has to be picked; of an unknown one the nearest is named."""
    text = plans(**{"2d": drawn(1), "3d_fullres": drawn(2), "3d_lowres": drawn(3)})
    code, message, hint = refusal(text)
    assert (code, hint) == ("T603", None)
    assert (
        message == "nnU-Net plans: pick a configuration with --key (2d, 3d_fullres, 3d_lowres)"
    )
    assert refusal(text, "3d_fulres")[1:] == (
        "`configurations` has no '3d_fulres'",
        "did you mean '3d_fullres'?",
    )
    assert read(text, key="2d") == read(text, key="configurations.2d")


def test_what_may_be_given() -> None:
    """What plans leave open, and nothing else."""
    text = plans(a=drawn(1))
    assert refusal(text, classes=2)[0] == "T102"
    assert refusal(text, num_classes=0)[0] == "T004"
    assert refusal(text, deep_supervision=2)[0] == "T004"


def test_every_command(tmp_path: Path) -> None:
    """Plans are read without torch being asked for anything, wherever a network is."""
    path = tmp_path / "any_name.json"
    path.write_text(plans(a=PUBLISHED["anisotropic-3d"]), "utf-8")
    for command, end in (
        ("check", []),
        ("trace", ["--format", "json"]),
        ("plan", []),
        ("sizes", []),
        ("import", []),
        ("draw", ["-o", str(tmp_path / "net.svg")]),
    ):
        done = CliRunner().invoke(cli, [command, str(path), *end])
        assert done.exit_code == 0, (command, done.output)
        told = "a: 1 channel assumed, as no dataset.json lies beside it (--arg input_channels=N); 2 classes assumed"
        assert told in done.stderr
    net = tracer.loads(CliRunner().invoke(cli, ["import", str(path)]).stdout)
    assert net.trace().outputs["seg1"] == (2, 2, 20, 320, 256)

    done = CliRunner().invoke(cli, ["check", str(path), "--input", "1,1,20,320,250"])
    assert done.exit_code == 1 and "T301" in done.stdout


def test_from_python(tmp_path: Path) -> None:
    """``key`` picks the configuration; what plans leave open are arguments beside it."""
    path = tmp_path / "plans.json"
    path.write_text(plans(a=PUBLISHED["anisotropic-3d"], b=drawn(1)), "utf-8")
    net = tracer.load(path, key="a", num_classes=3)
    assert net.trace().outputs["seg1"] == (2, 3, 20, 320, 256)
    assert tracer.check(path, key="a") == []
    assert [d.code for d in tracer.check(path)] == ["T603"]
    assert "T301" in [d.code for d in tracer.check(path, (1, 1, 20, 320, 250), key="a")]


def test_what_is_cut_off(tmp_path: Path) -> None:
    """A file that ends too early is told where it does."""
    path = tmp_path / "plans.json"
    path.write_text(plans(a=drawn(1))[:400] + "\n", "utf-8")
    done = CliRunner().invoke(cli, ["check", str(path), "--format", "concise"])
    assert done.exit_code == 1
    assert f"{path}:2:1: error[T001] YAML syntax: " in done.stdout


@pytest.mark.parametrize(("patch", "is_wrong"), [([96, 64], False), ([100, 64], True)])
def test_findings_stand_in_the_plans(tmp_path: Path, patch: list[int], is_wrong: bool) -> None:
    """At the patch, with the nearest ones that run; the shortcuts of residual encoders are meant."""
    strides = [[1, 1], [2, 2], [2, 2], [2, 2]]
    depths = [[3, 3]] * 4, [8, 16, 32, 32], [1, 2, 2, 2], [1, 1, 1]
    plans = {
        "configurations": {"2d": configuration("ResidualEncoderUNet", patch, strides, *depths)}
    }
    path = tmp_path / "plans.json"
    path.write_text(json.dumps(plans, indent=1), "utf-8")
    for command in ("check", "trace"):
        done = CliRunner().invoke(cli, [command, str(path)])
        told = done.stdout + done.stderr
        assert (done.exit_code != 0) == is_wrong, told
        assert not any(word in told for word in ("T503", "output_padding", "used in line"))
        line = path.read_text("utf-8").splitlines().index('   "patch_size": [') + 1
        assert (f"plans.json:{line}:4: error[T301]" in told) == is_wrong
        assert (f'\n {line} |    "patch_size": [' in told) == is_wrong
        assert ("hint: `patch_size` fits where" in told) == is_wrong
    assert (
        "nearest 96 x 64" in CliRunner().invoke(cli, ["check", str(path)]).stdout
    ) == is_wrong


def test_repairs_are_told_in_the_words_of_plans(tmp_path: Path) -> None:
    """What plans can say stands first, as the key's value; the rest is marked, and no text of a config is offered."""
    strides = [[1, 1], [2, 2], [2, 2], [2, 2]]
    depths = [[3, 3]] * 4, [8, 16, 32, 32], [2, 2, 2, 2], [2, 2, 2]
    path = tmp_path / "plans.json"
    patch = configuration("PlainConvUNet", [100, 64], strides, *depths)
    path.write_text(json.dumps({"configurations": {"2d": patch}}, indent=1), "utf-8")

    found = tracer.plan(tracer.load(path, key="2d")).repairs
    own = [repair.title for repair in found if not repair.elsewhere]
    assert own == ["patch_size: [104, 64]", "patch_size: [96, 64]"]
    assert [repair.title for repair in found][: len(own)] == own
    assert len(found) > len(own) and not any(repair.safe for repair in found)

    line = path.read_text("utf-8").splitlines().index('   "patch_size": [') + 1
    told = CliRunner().invoke(cli, ["plan", str(path)]).stdout
    assert f"{path}:{line}: patch_size: [104, 64]\n" in told
    assert f"(nothing that {path} can say)" in told
    done = CliRunner().invoke(cli, ["plan", str(path), "--diff", "--repair", "1"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "is no config that can be edited" in done.stderr

    for repair in found[: len(own)]:
        patch["patch_size"] = json.loads(repair.title.partition(": ")[2])
        path.write_text(json.dumps({"configurations": {"2d": patch}}), "utf-8")
        assert tracer.load(path, key="2d").trace().diagnostics == []
