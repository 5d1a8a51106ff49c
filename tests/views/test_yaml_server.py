"""What yaml-language-server shows by the schema, asked as an editor asks it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests import ROOT, extras
from tests.views.yaml_server import YamlServer
from tracer.ops.meanings import meanings
from tracer.ops.registry import find_operation, operation_names
from tracer.views.operations import sentence
from tracer.views.schema import language_schema

CONFIGS = ("unet_2015", "conv_autoencoder")
TYPED = """name: typed
input: [1, 3, H, 8]
layers:
  a:
    op: ConvTranspose2d
    out_channels: 4
    kernel_size: 2
@
  b:
    op: Up
  c: my_block
  d: {op: my_block, out_channels: 3}
  e: {op: Conv2d, out_channels: 3, odd: 1}
""".replace("@", "    ")
"""A config that is being typed; the marked line is empty but for its indent."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[YamlServer]:
    """The server, with the schema in a file."""
    program = shutil.which("yaml-language-server")
    if program is None:
        message = "needs yaml-language-server: npm install -g yaml-language-server"
        can_be_installed = extras.every_extra and shutil.which("npm") is not None
        pytest.fail(message) if can_be_installed else pytest.skip(message)

    schema = tmp_path_factory.mktemp("schema") / "schema.json"
    schema.write_text(json.dumps(language_schema()), "utf-8")
    running = YamlServer(program, schema)
    yield running
    running.end()


def places(node: yaml.Node) -> Iterator[tuple[str, str, yaml.Node]]:
    """Each operation and argument of a config: the operation, the argument (empty: the operation itself), the place."""
    if not isinstance(node, yaml.MappingNode):
        return
    keys = {key.value: (key, value) for key, value in node.value}
    for _, value in node.value:
        yield from places(value)
    if "op" not in keys or find_operation(keys["op"][1].value) is None:
        return
    op = keys["op"][1]
    yield op.value, "", op
    for word, (key, _) in keys.items():
        if word in meanings(_found(op.value)):
            yield op.value, word, key


def _found(name: str) -> Any:
    return find_operation(name)


@pytest.mark.parametrize("name", CONFIGS)
def test_hover(server: YamlServer, name: str) -> None:
    """At every operation and argument stands its own line, and of other kinds nothing."""
    text = (ROOT / "configs" / f"{name}.yaml").read_text("utf-8")
    uri = server.open(text)
    seen = set()
    for op, word, node in places(yaml.compose(text)):
        if (op, word) in seen:
            continue
        seen.add((op, word))
        shown = server.hover(uri, node.start_mark.line, node.start_mark.column + 1)
        line = meanings(_found(op))[word] if word else sentence(_found(op))
        assert f"{line}\n" in f"{shown}\n" and "||" not in shown, (op, word, shown)
        assert shown.startswith(f"#### {word or op}")
    assert len(seen) >= 8


def test_completion(server: YamlServer) -> None:
    """Behind `op:` all operations with their lines, in a layer the arguments that are not there yet."""
    uri = server.open(TYPED)
    names = server.complete(uri, 9, 8)
    assert set(operation_names()) <= set(names)
    assert all(sentence(_found(name)) in names[name] for name in operation_names())

    arguments = server.complete(uri, 7, 4)
    told = meanings(_found("ConvTranspose2d"))
    missing = told.keys() - {"out_channels", "kernel_size"}
    assert missing <= arguments.keys() and {"from", "expect", "repeat"} <= arguments.keys()
    assert not {"ceil_mode", "out_channels"} & arguments.keys()
    assert all(told[name] in arguments[name] for name in missing)


def test_hover_of_keys_and_blocks(server: YamlServer) -> None:
    """A key of the config has a line; a block's name is none of ours, and not wrong."""
    uri = server.open(TYPED)
    assert "The input's shape as torch has it" in server.hover(uri, 1, 2)
    assert "Layers one after the other" in server.hover(uri, 2, 2)
    assert "2-D" not in server.hover(uri, 10, 8) and "2-D" in server.hover(uri, 12, 12)
