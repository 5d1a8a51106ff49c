"""Networks written as nnU-Net's plans: what is written is read again as the same network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import tracer
from tests import ROOT
from tests.neighbours.test_plans import PUBLISHED, drawn, plans, read
from tracer.commands import cli
from tracer.diagnostics import TracerError
from tracer.neighbours.plans_writing import plans_of


@pytest.mark.parametrize("name", [*PUBLISHED, *range(24)])
def test_there_and_back(name: str | int) -> None:
    """The architecture of the plans, but for the way in which layers and defaults are named."""
    one = PUBLISHED[name] if isinstance(name, str) else drawn(name)
    known = {"input_channels": 3, "num_classes": 5}
    text = read(plans(only=one), **known)
    written = plans_of(tracer.loads(text))
    assert written.told.endswith("--arg input_channels=3 --arg num_classes=5")

    (again,) = json.loads(written.text)["configurations"].values()
    for word in ("patch_size", "batch_size"):
        assert again[word] == one[word]
    mine, theirs = (form["architecture"]["arch_kwargs"] for form in (again, one))
    for word in theirs:
        if word not in ("stem_channels", "nonlin_first") and not word.endswith(
            ("op", "kwargs")
        ):
            assert mine.get(word) == theirs[word], word

    body = [
        read(form, **known).partition("\ninput:")[2] for form in (written.text, plans(only=one))
    ]
    assert body[0] == body[1]


def test_one_head() -> None:
    """A network without deep supervision is one of plans that are read without it."""
    known = {"input_channels": 1, "num_classes": 2, "deep_supervision": False}
    one = PUBLISHED["anisotropic-3d"]
    written = plans_of(tracer.loads(read(plans(only=one), **known)))
    assert written.told.endswith("--arg deep_supervision=false")


def refusal(text: str) -> str:
    with pytest.raises(TracerError) as caught:
        plans_of(tracer.loads(text))
    (found,) = caught.value.diagnostics
    assert found.code == "T601" and found.message.startswith("no form in nnU-Net plans: ")
    return found.message.partition(": ")[2]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kernel_size: 1}", "kernel_size: 3, padding: 1}"),
        ("from: [up1, enc1]", "from: [enc1, up1]"),
        ('padding: "${padding}"', 'padding: "${padding}", padding_mode: reflect'),
    ],
)
def test_other_networks(old: str, new: str) -> None:
    """A single difference is named at its node."""
    text = next(
        text
        for seed in range(24)
        if old in (text := read(plans(only=drawn(seed)), input_channels=3, num_classes=5))
    )
    assert old in text
    changed = new.join(text.rsplit(old, 1))
    assert ": " in refusal(changed)


def test_no_u_net() -> None:
    """Other networks of this project's library have no form in plans."""
    found = refusal((ROOT / "configs" / "resnet34.yaml").read_text("utf-8"))
    assert found


def test_the_command(tmp_path: Path) -> None:
    """A design in the way of nnU-Net becomes its plans; another network is refused, and nothing is written."""
    net, target = tmp_path / "net.yaml", tmp_path / "plans.json"
    options = ["--shape", "40,320,320", "--spacing", "5,1,1", "--memory", "6GiB"]
    done = CliRunner().invoke(cli, ["design", "nnunet", *options, "-o", str(net)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(cli, ["export", str(net), "--to", "nnunet", "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert "plans leave open what the data set and the trainer say" in done.stderr
    there, back = (
        json.loads(CliRunner().invoke(cli, ["trace", str(path), "--format", "json"]).stdout)
        for path in (net, target)
    )
    assert [n["shape"] for n in there["nodes"]] == [n["shape"] for n in back["nodes"]]

    target.unlink()
    other = str(ROOT / "configs" / "unet_2015.yaml")
    done = CliRunner().invoke(cli, ["export", other, "--to", "nnunet", "-o", str(target)])
    assert done.exit_code == 1 and "no form in nnU-Net plans" in done.stderr
    assert not target.exists()
