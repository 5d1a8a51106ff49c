"""Designs in the way of nnU-Net against its own library: the estimate of a patch, and plans that it builds from."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests import extras
from tracer.commands import cli
from tracer.designing.nnunet import Topology, channels, estimate, topology

SHAPES = {
    "anisotropic": ("40,320,320", "5,1,1", "6GiB"),
    "cube": ("96,96,96", "1,1,1", "8GiB"),
    "flat": ("500,400", "1,1", "8GiB"),
    "many-classes": ("64,48,80", "1,1,2", "2GiB"),
}


def ran(*arguments: str) -> Any:
    return CliRunner().invoke(cli, list(arguments))


def drawn(seed: int) -> tuple[Topology, int]:
    """A topology of 2 or 3 axes, and a number of classes."""
    of = random.Random(seed)
    dims = of.choice([2, 3])
    patch = [of.randrange(16, 200) for _ in range(dims)]
    spacing = [of.choice([0.5, 1.0, 2.5, 5.0]) for _ in range(dims)]
    return topology(patch, spacing), of.randrange(2, 120)


def theirs(found: Topology, classes: int) -> int:
    """The estimate of nnU-Net's planner for a topology."""
    import torch
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    dims = len(found.patch)
    stages = len(found.strides)
    conv = {2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[dims]
    with torch.device("meta"):
        net = PlainConvUNet(
            input_channels=1,
            n_stages=stages,
            features_per_stage=[channels(stage, dims) for stage in range(stages)],
            conv_op=conv,
            kernel_sizes=found.kernels,
            strides=found.strides,
            n_conv_per_stage=2,
            num_classes=classes,
            n_conv_per_stage_decoder=2,
            deep_supervision=False,
        )
    return int(net.compute_conv_feature_map_size(found.patch))


def test_the_published_example() -> None:
    """A cube of 128 with 50 classes: the coarser levels have no heads in the estimate."""
    assert estimate(topology([128] * 3, [1.0] * 3), 50) == 551_362_560


def test_the_estimate_is_that_of_the_library() -> None:
    """Over drawn topologies, to the last value."""
    extras.needs("zoo")
    compared = 0
    for seed in range(12):
        found, classes = drawn(seed)
        if len(found.strides) < 2:
            continue
        assert estimate(found, classes) == theirs(found, classes), (seed, found)
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("name", SHAPES)
def test_plans_give_the_same_network(name: str, tmp_path: Path) -> None:
    """The plans, read with their channels and classes, trace as the config does, node by node."""
    shape, spacing, memory = SHAPES[name]
    ends = ("--in-channels", "3", "--classes", "7")
    options = ("--shape", shape, "--spacing", spacing, "--memory", memory, *ends)
    config, plans = tmp_path / "net.yaml", tmp_path / "plans.json"
    for path in (config, plans):
        done = ran("design", "nnunet", *options, "-o", str(path))
        assert done.exit_code == 0, done.output

    (known,) = json.loads(plans.read_text("utf-8"))["configurations"].values()
    assert known["spacing"] == [float(gap) for gap in spacing.split(",")]
    assert known["median_image_size_in_voxels"] == [int(n) for n in shape.split(",")]

    said = ("--arg", "input_channels=3", "--arg", "num_classes=7")
    there = json.loads(ran("trace", str(config), "--format", "json").stdout)
    back = json.loads(ran("trace", str(plans), *said, "--format", "json").stdout)
    assert [n["shape"] for n in there["nodes"]] == [n["shape"] for n in back["nodes"]]
    assert there["totals"]["params"] == back["totals"]["params"]


def test_the_form_is_asked_for() -> None:
    """By the option as by the ending; a config is still to be had, whatever the file is called."""
    options = ("design", "nnunet", "--shape", "64,64", "--spacing", "1,1")
    plans = ran(*options, "--to", "nnunet")
    assert plans.exit_code == 0 and "configurations" in json.loads(plans.stdout)
    config = ran(*options, "--to", "config")
    assert config.exit_code == 0 and config.stdout == ran(*options).stdout


def test_a_plan_without_levels(tmp_path: Path) -> None:
    """What plans cannot say is refused, and nothing is written."""
    target = tmp_path / "plans.json"
    done = ran("design", "nnunet", "--shape", "6,6", "--spacing", "1,1", "-o", str(target))
    assert done.exit_code == 1 and "no form in nnU-Net plans" in done.stderr, done.output
    assert not target.exists()
