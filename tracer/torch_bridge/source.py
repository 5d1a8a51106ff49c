"""A network as the source of one Python file that needs only torch.

A block of the config becomes a class and a use of it an attribute, so that state dict keys are the config's names.
Numbers in which the uses of a block differ become arguments of its class. What torch calls is what the operations say
(:meth:`tracer.ops.base.Op.call`); here it is only written down.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Mapping, Sequence
from typing import Any

import torch

from tracer.costs.memory import memory
from tracer.diagnostics import printable
from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import Op, with_arguments, written
from tracer.ops.calls import (
    Call,
    Device,
    DimOf,
    Dtype,
    Item,
    Learned,
    Own,
    Sliced,
    Tensor,
    Term,
)
from tracer.sizing.size_set import TooLarge
from tracer.torch_bridge.building import attribute, identifier
from tracer.torch_bridge.lifetimes import Lifetimes, held, rows_of
from tracer.torch_bridge.lowering import (
    SizeTerms,
    closed_trace,
    gives_indices,
    module_arguments,
    unpooled_nodes,
)
from tracer.torch_bridge.module_tree import Key, Module, keys_read, symbols_of, tree_of
from tracer.torch_bridge.unwritten import made_at_run_time, unwritten_in

OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "and_": "&",
    "or_": "|",
}

PREFIXES = {"torch.nn.functional": "F.", "torch": "torch."}
"""How functions of torch's packages are called in the file."""

VERBS = {"narrow": "cropped", "pad": "padded", "interpolate": "resized"}
"""What the names of steps say of the functions that made them."""

PASSED_ON = ("x", "y", "z")
"""The variables of values that the next line takes over."""

TAKEN = {"self", "torch", "nn", "F", "constant", *PASSED_ON}
"""Names that the file uses itself."""

HEAD = '''"""{docstring}"""

import torch
import torch.nn.functional as F
from torch import nn
'''


CONSTANT = '''def constant(module):
    """The module with its parameters as buffers, which are not learned."""
    for name, weight in list(module.named_parameters()):
        around, _, word = name.rpartition(".")
        place = module.get_submodule(around)
        delattr(place, word)
        place.register_buffer(word, weight.detach())
    return module
'''


def torch_source(net: Net) -> str:
    """The file's text; executed, it defines ``Network`` and the classes of the blocks.

    Raises :class:`TracerError` where the network does not close, or something has no place in such a file.
    """
    file = _File(net)
    network = _class_text(file, file.root, "Network", {})
    head = HEAD.format(docstring=_docstring(net, file))
    helpers = [CONSTANT] if file.has_constants else []
    text = "\n\n".join([head, *helpers, *file.bodies, network])
    return text.rstrip() + "\n"


def _docstring(net: Net, file: _File) -> str:
    """The network's name, the sizes that run where they can be written, and the memory that a run takes."""
    name = printable(net.network.name or "a network")
    name = name.replace("\\", "").replace('"', "'")
    lines = [f"{name}, written from its config.", ""]
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        axes = {}
    lines += [*_unwritten_lines(net), *_made_lines(net)]
    if axes:
        lines.append("Input sizes that run:")
    for symbol, axis in axes.items():
        lines.append(f"    {axis.runs.written(symbol)}")
    lines += ["", *_memory_lines(file)] if axes else _memory_lines(file)
    return "\n".join(lines).rstrip() + "\n"


def _unwritten_lines(net: Net) -> list[str]:
    """The buffers whose values the file cannot have, and how to load them."""
    names = list(unwritten_in(net.network))
    if not names:
        return []
    return [
        "Values of these buffers are not in this file; until they are loaded it computes with zeros or noise:",
        *(f"    {name}" for name in names),
        "The weights of a module that tracer has read have them under these names:",
        "    from tracer.torch_bridge.opening import read_module",
        "    Network().load_state_dict(read_module(module, shape).state_dict())",
        "",
    ]


def _made_lines(net: Net) -> list[str]:
    """The tensors whose values the program makes while it runs, which the file cannot."""
    names = list(made_at_run_time(net.network, net.built.ops))
    if not names:
        return []
    return [
        "Zeros stand for what the module makes of sizes at run time; write its own lines in their place:",
        *(f"    {name}" for name in names),
        "",
    ]


def _memory_lines(file: _File) -> list[str]:
    """The most that is alive in a run of the file, and in one that holds nothing longer than it is read."""
    own = memory(file.trace, held=held(file.network, file.root))
    least = memory(file.trace)
    if own is None or least is None:
        return []
    lines = [
        f"Maps that are alive at once without autograd: at most {own.inference} bytes in float32."
    ]
    if own.inference != least.inference:
        lines.append(
            f"An argument lives until its block returns; otherwise {least.inference} would do."
        )
    return lines


class _File:
    """A file while it is written."""

    def __init__(self, net: Net) -> None:
        self.network = net.network
        self.trace = closed_trace(net)
        self.unpooled = unpooled_nodes(net.network)
        self.symbols = symbols_of(net.network)
        self.root = tree_of(net.network)
        self.classes: dict[Any, str] = {}
        """The name of the class of each structure."""
        self.parameters: dict[str, dict[str, str]] = {}
        """For each class, by the place of a number: the argument that gives it."""
        self.bodies: list[str] = []
        """The classes that are written."""
        self.has_constants = False
        """Whether a module is made whose parameters are not learned."""

    def op(self, node: Node) -> Op:
        """A node's operation."""
        op = self.trace.ops[node.index]
        assert op is not None
        return op

    def rank(self, node: Node) -> int:
        """A node's number of dims."""
        return len(self.trace.by_index[node.index] or ())

    def shape_text(self, index: int) -> str:
        """A node's shape, as it is written beside its line."""
        return written(self.trace.by_index[index])


# --- what torch calls for a node -------------------------------------------------------------------------------------


def _makes_module(file: _File, node: Node) -> bool:
    """Whether the operation calls a torch.nn module of its own."""
    if not hasattr(torch.nn, node.op_name):
        return False
    term = _term(file, node)
    while isinstance(term, Item):
        term = term.value
    return isinstance(term, Own)


def _term(file: _File, node: Node) -> Term:
    """What torch calls for a node, tensors and sizes left out."""
    op = file.op(node)
    if node.dim_fields:
        size = DimOf(Tensor(None, 1), 0)
        sizes: dict[str, Any] = {}
        for field, dims in node.dim_fields.items():
            if isinstance(dims, tuple):
                sizes[field] = (size,) * len(dims)
            else:
                sizes[field] = size
        op = with_arguments(op, sizes)

    x = [_nameless(file, source) for source in node.inputs]
    operands = node.operands.items()
    given = {field: _nameless(file, source) for field, source in operands}
    term: Term = op.call(x, given)
    return term


def _nameless(file: _File, source: Node) -> Tensor:
    return Tensor(None, file.rank(source))


def _arguments(file: _File, node: Node) -> dict[str, Any]:
    """The constructor arguments of a node's torch.nn module; of a parameter or a buffer its shape."""
    if not _makes_module(file, node):
        term = _term(file, node)
        return {"shape": term.shape} if isinstance(term, Learned) else {}
    op = file.op(node)
    arguments = module_arguments(node, op, file.trace, file.unpooled)
    if isinstance(arguments.get("dtype"), str):
        arguments["dtype"] = Dtype(arguments["dtype"])
    return arguments


# --- classes ---------------------------------------------------------------------------------------------------------


Named = Mapping[str, str]
"""The arguments of a class, by the places of the numbers that they give."""


def _class_text(file: _File, module: Module, name: str, named: Named) -> str:
    """A class. ``named`` are the arguments that give its numbers, by their places."""
    made = []
    for child, item in module.children.items():
        if isinstance(item, Module) or not _owner_inside(module, item):
            made += _made(file, child, item, named)

    body = _Body(file, module)
    forward = body.lines()
    words = dict.fromkeys(named.values())
    parameters = "".join(f", {word}" for word in words)
    arguments = "".join(f", {body.names[key]}" for key in body.inputs)

    about = f'    """The block {printable(module.title)}; shapes are those of {module.name}."""'
    lines = [
        f"class {name}(nn.Module):",
        *([about, ""] if module.name else []),
        f"    def __init__(self{parameters}):",
        "        super().__init__()",
        *made,
        *_shared_inside(file, module),
        "",
        f"    def forward(self{arguments}):",
        *forward,
        "",
    ]
    return "\n".join(lines)


def _made(file: _File, name: str, child: Module | Node, named: Named) -> list[str]:
    """The lines that make a child: none for a function."""
    if isinstance(child, Module) and child.is_copies:
        copies = [
            _constructed(file, copy, f"{name}.{number}.", named)
            for number, copy in child.children.items()
        ]
        return _listed(name, copies)
    if isinstance(child, Module):
        return [_assignment(name, _constructed(file, child, f"{name}.", named))]

    made = _constructed(file, child, f"{name}.", named)
    if made:
        return [_assignment(name, made)]
    term = _term(file, child)
    if isinstance(term, Learned):
        shape = named.get(f"{name}.shape", _literal(term.shape))
        return [_registered(name, _drawn(term, shape), term, is_learned=child.learned)]
    return []


def _constructed(file: _File, child: Module | Node, prefix: str, named: Named) -> str:
    """The call that makes a child; empty for a function."""
    if isinstance(child, Module):
        return _block_constructed(file, child, prefix, named)
    if not _makes_module(file, child):
        return ""
    words = [
        f"{word}={named.get(prefix + word, _literal(value))}"
        for word, value in _arguments(file, child).items()
    ]
    made = f"nn.{child.op_name}({', '.join(words)})"
    if child.learned:
        return made
    file.has_constants = True
    return f"constant({made})"


def _block_constructed(file: _File, child: Module, prefix: str, named: Named) -> str:
    """The call that makes a use of a block; its numbers may be arguments of the class around it."""
    name = _class_of(file, child)
    numbers = _numbers(file, child)

    # Several places may have one argument: the first gives its value.
    first_places: dict[str, str] = {}
    for place, word in file.parameters[name].items():
        first_places.setdefault(word, place)
    words = []
    for place in first_places.values():
        number = _literal(numbers[place])
        words.append(named.get(prefix + place, number))
    return f"{name}({', '.join(words)})"


# --- parameters that nodes share -------------------------------------------------------------------------------------


def _owner_inside(module: Module, node: Node) -> Node | None:
    """The node whose parameters a module's node shares, where it is in the module too."""
    prefix = f"{module.name}." if module.name else ""
    owner = node.weights
    return owner if owner is not None and owner.name.startswith(prefix) else None


def _shared_inside(file: _File, module: Module) -> list[str]:
    """The lines that make layers of a module share parameters, those left out that an inner class has."""
    prefix = f"{module.name}." if module.name else ""
    inner = [child for child in module.modules() if child is not module and not child.is_copies]
    lines = []
    for node in file.network.sharers:
        owner = _owner_inside(module, node)
        is_inner = any(
            node.name.startswith(f"{one.name}.") and _owner_inside(one, node) for one in inner
        )
        if owner is None or is_inner or not node.name.startswith(prefix):
            continue
        around, last = _way(module, node.name.removeprefix(prefix))
        *_, shared = _way(module, owner.name.removeprefix(prefix), whole=True)
        lines.append(f"        {_set(around, last, shared)}")
    return lines


def _way(module: Module, name: str, *, whole: bool = False) -> tuple[str, str]:
    """The text that gives what is around a child's child of the module, and that for it: ``.conv``, ``[0]``."""
    text, last = "self", ""
    for part in name.split("."):
        text += last
        last = f"[{part}]" if module.is_copies else _behind(part)
        child = module.children[part]
        if isinstance(child, Module):
            module = child
    return text, text + last if whole else last


def _behind(part: str) -> str:
    return f".{attribute(part)}" if _plain(part) else f".get_submodule({attribute(part)!r})"


def _set(around: str, last: str, value: str) -> str:
    """The line that puts a value into the place of a child."""
    head, call, name = last.partition(".get_submodule(")
    return f"{around}.add_module({name[:-1]}, {value})" if call else f"{around}{head} = {value}"


# --- classes of blocks -----------------------------------------------------------------------------------------------


def _class_of(file: _File, module: Module) -> str:
    """The name of a block's class, which is written where it is not yet."""
    structure = _structure(file, module)
    if structure not in file.classes:
        taken = {*file.classes.values(), "Network"}
        name = _class_name(module.title, taken)
        file.classes[structure] = name
        parameters = _parameters(file, module, structure)
        file.bodies.append(_class_text(file, module, name, parameters))
        file.parameters[name] = parameters
    return file.classes[structure]


def _structure(file: _File, module: Module) -> Any:
    """What is the same in all uses that share a class: names, operations, wiring."""
    nodes = list(module.nodes())
    number = {key: i for i, key in enumerate(module.inputs)}
    for i, node in enumerate(nodes):
        number[Key(node.index)] = -1 - 2 * i
        number[Key(node.index, True)] = -2 - 2 * i

    rows = []
    for node in nodes:
        arguments = _arguments(file, node)
        op = _kept_alike(file, node)
        local_name = node.name[len(module.name) + 1 :]
        reads = tuple(number[key] for key in keys_read(node))
        fields = repr(node.dim_fields)
        shared = _owner_inside(module, node)
        weights = (shared and shared.name.removeprefix(module.name), node.learned)
        row = (local_name, node.op_name, tuple(arguments), reads, op, fields, weights)
        rows.append(row)

    results = tuple(number[key] for key in module.results)
    return (module.title, tuple(rows), results)


def _kept_alike(file: _File, node: Node) -> str:
    """What of an operation has to be the same in all uses that share a class.

    A module's numbers and a parameter's shape may differ between uses; a function's numbers stand in its line.
    """
    if _makes_module(file, node) and not node.operands:
        return ""
    term = _term(file, node)
    return term.dtype if isinstance(term, Learned) else repr(file.op(node))


def _parameters(file: _File, module: Module, structure: Any) -> dict[str, str]:
    """The arguments of a class: for each number in which its uses differ, by its place."""
    uses = [
        use
        for use in file.root.modules()
        if use.title == module.title and _structure(file, use) == structure
    ]
    numbers = [_numbers(file, use) for use in uses]

    # Numbers that are the same in every use have one argument.
    words: dict[tuple[Any, ...], str] = {}
    found = {}
    for place in numbers[0]:
        values = tuple(of_use[place] for of_use in numbers)
        differ = len(set(map(repr, values))) > 1
        if differ and values not in words:
            words[values] = _parameter_name(place, words.values())
        if values in words:
            found[place] = words[values]
    return found


def _numbers(file: _File, module: Module, prefix: str = "") -> dict[str, Any]:
    """Every constructor argument in a module, by its place: what uses of one block may differ in."""
    found: dict[str, Any] = {}
    for name, child in module.children.items():
        if isinstance(child, Module):
            found.update(_numbers(file, child, f"{prefix}{name}."))
        else:
            for word, value in _arguments(file, child).items():
                found[f"{prefix}{name}.{word}"] = value
    return found


def _class_name(title: str, taken: Container[str]) -> str:
    parts = identifier(title).split("_")
    capitalised = [part[:1].upper() + part[1:] for part in parts]
    base = "".join(capitalised)
    return _first_free([base or "Block"], taken, "")


def _parameter_name(place: str, taken: Any) -> str:
    short = place.rpartition(".")[2]
    long = identifier(place.replace(".", "_"))
    return _first_free([short, long], taken, "_")


def _first_free(names: Sequence[str], taken: Container[str], separator: str) -> str:
    """The first of the names that is free; the last one with a number where none is."""
    numbered = (f"{names[-1]}{separator}{number}" for number in itertools.count(2))
    candidates = itertools.chain(names, numbered)
    return next(name for name in candidates if name not in taken)


# --- lines that make children ----------------------------------------------------------------------------------------


def _plain(name: str) -> bool:
    return attribute(name).isidentifier()


def _target(name: str) -> str:
    return f"self.{attribute(name)}"


def _listed(name: str, copies: Sequence[str]) -> list[str]:
    """The lines that make the copies of a repeat; none where they are functions."""
    if not all(copies):
        return []
    start = f"{_target(name)} = " if _plain(name) else f"self.add_module({attribute(name)!r}, "
    end = "])" if _plain(name) else "]))"
    return [
        f"        {start}nn.ModuleList([",
        *(f"            {copy}," for copy in copies),
        f"        {end}",
    ]


def _assignment(name: str, made: str) -> str:
    if _plain(name):
        return f"        {_target(name)} = {made}"
    return f"        self.add_module({attribute(name)!r}, {made})"


def _registered(name: str, drawn: str, term: Learned, *, is_learned: bool) -> str:
    """The line that makes a parameter or a buffer."""
    if not is_learned:
        return f"        self.register_buffer({attribute(name)!r}, {drawn})"
    if term.is_whole:
        drawn += ", requires_grad=False"
    if _plain(name):
        return f"        {_target(name)} = nn.Parameter({drawn})"
    return f"        self.register_parameter({attribute(name)!r}, nn.Parameter({drawn}))"


def _drawn(term: Learned, shape: str) -> str:
    """The values that it begins with: small ones at random, zeros where they are whole numbers.

    >>> _drawn(Learned((3,)), "(3,)"), _drawn(Learned((3,), "complex64"), "shape")
    ('torch.randn((3,)) * 0.02', 'torch.randn(shape, dtype=torch.complex64) * 0.02')
    >>> _drawn(Learned((3,), "int64"), "(3,)")
    'torch.zeros((3,), dtype=torch.int64)'
    """
    dtype = "" if term.dtype == "float32" else f", dtype=torch.{term.dtype}"
    zeros, small = f"torch.zeros({shape}{dtype})", f"torch.randn({shape}{dtype}) * 0.02"
    return zeros if term.is_whole else small


def _literal(value: Any) -> str:
    """A value as Python.

    >>> _literal((3,)), _literal(float("inf")), _literal(Dtype("float16"))
    ('(3,)', 'float("inf")', 'torch.float16')
    """
    if isinstance(value, Dtype):
        return f"torch.{value.name}"
    if isinstance(value, tuple):
        items = ", ".join(map(_literal, value))
        return f"({items},)" if len(value) == 1 else f"({items})"
    is_nan = isinstance(value, float) and value != value
    if is_nan or value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return repr(value)


# --- forward ---------------------------------------------------------------------------------------------------------


class _Body:
    """The lines of one ``forward``."""

    def __init__(self, file: _File, module: Module) -> None:
        self.file = file
        self.module = module
        self.names: dict[Key, str] = {}
        """The variable of each value."""
        self.before: list[str] = []
        """Lines that a node needs before its own."""
        self.inputs = module.inputs
        self.returned = module.results
        if not module.name:
            nodes = file.network.nodes
            self.inputs = [Key(node.index) for node in nodes if node.is_input]
            self.returned = [Key(node.index) for node in file.network.outputs.values()]

        self.rows = rows_of(module)
        self.number = 0
        """The number of the row that is written."""
        self.lifetimes = Lifetimes(file.network, self.rows, self.returned)
        self.bound: dict[str, Key] = {}
        """The value that each variable has now."""
        self._name_inputs()

    def _name_inputs(self) -> None:
        is_single = len(self.inputs) == 1 and bool(self.module.name)
        for key in self.inputs:
            node = self.file.network.nodes[key.node]
            name = node.name.split(".")[-1]
            suffix = "_indices" if key.is_indices else ""
            self.names[key] = "x" if is_single else self._fresh(name + suffix)
            self.bound[self.names[key]] = key

    def _named(self, key: Key, name: str) -> str:
        """The variable of a value: one that is passed on where it is read once, or one of its own."""
        found = None
        if self.lifetimes.is_passed_on(key):
            found = next(filter(self._is_free, PASSED_ON), None)
        found = found or self._fresh(name)
        self.names[key] = found
        self.bound[found] = key
        return found

    def _is_free(self, variable: str) -> bool:
        """True where nothing reads a variable's value any more, once this row has run."""
        key = self.bound.get(variable)
        return key is None or self.lifetimes.is_dead(key, self.number)

    def _freed(self, temporaries: Sequence[str]) -> list[str]:
        """The line that lets go of what is read no more; the caller has the arguments, and the end frees all."""
        if self.number == len(self.rows) - 1:
            return []
        dead = [
            variable
            for variable, key in self.bound.items()
            if key not in self.inputs and self.lifetimes.is_dead(key, self.number)
        ]
        for variable in dead:
            del self.bound[variable]
        names = [*dead, *temporaries]
        return [f"del {', '.join(names)}"] if names else []

    def _fresh(self, name: str) -> str:
        """A variable that is free."""
        of_lines = [line.partition(" = ")[0] for line in self.before]
        used = {*self.names.values(), *TAKEN, *of_lines}
        return _first_free([identifier(name)], used, "_")

    def lines(self) -> list[str]:
        """All lines, the return included."""
        found: list[str] = []
        for number, (name, child) in enumerate(self.rows):
            self.number = number
            if isinstance(child, Module):
                found += self._use(name, child)
            else:
                found += self._computed(name, child)
        found.append(f"return {self._returned()}")
        return [f"        {line}" for line in found]

    def _returned(self) -> str:
        if self.module.name:
            return self._listed(self.module.results)

        named = {}
        for name, node in self.file.network.outputs.items():
            named[name] = self.names[Key(node.index)]
        if len(named) == 1:
            return next(iter(named.values()))
        items = [f"{name!r}: {value}" for name, value in named.items()]
        return "{" + ", ".join(items) + "}"

    def _listed(self, keys: Sequence[Key]) -> str:
        """The variables of several values."""
        return ", ".join(self.names[key] for key in keys)

    # --- uses of blocks ----------------------------------------------------------------------------------------------

    def _use(self, name: str, child: Module) -> list[str]:
        """The line that calls a module."""
        first, *rest = name.split(".")
        copy = "".join(f"[{number}]" for number in rest)
        callee = _accessed(first) + copy
        arguments = self._listed(child.inputs)
        shape = ""
        for key in child.results:
            self._named(key, self._result_name(child, key))
            shape = self.file.shape_text(key.node)

        targets = self._listed(child.results)
        return [f"{targets} = {callee}({arguments})  # {shape}", *self._freed([])]

    def _result_name(self, child: Module, key: Key) -> str:
        """A name for what a module gives: its own, and the node's where it gives more."""
        around = f"{self.module.name}." if self.module.name else ""
        label = child.name.removeprefix(around).replace(".", "_")
        if len(child.results) == 1:
            return label

        node = self.file.network.nodes[key.node]
        inner = node.name.removeprefix(f"{child.name}.").replace(".", "_")
        suffix = "_indices" if key.is_indices else ""
        return f"{label}_{inner}{suffix}"

    # --- operations --------------------------------------------------------------------------------------------------

    def _computed(self, name: str, node: Node) -> list[str]:
        """The line of a node, and those that it needs before."""
        file = self.file
        first, *rest = name.split(".")
        copy = "".join(f"[{number}]" for number in rest)
        self.callee = _accessed(first) + copy
        self.label = "_".join([first, *rest])

        op = self._op(node)
        result = op.call(*self._operands(node))
        if isinstance(result, Tensor):
            result = result.value
        text = self._text(result)

        target = self._named(Key(node.index), self.label)
        before, self.before = self.before, []
        if gives_indices(op, node, file.unpooled):
            indices = self._named(Key(node.index, True), f"{self.label}_indices")
            target = f"{target}, {indices}"
        temporaries = [line.partition(" = ")[0] for line in before]
        line = f"{target} = {text}  # {file.shape_text(node.index)}"
        return [*before, line, *self._freed(temporaries)]

    def _op(self, node: Node) -> Op:
        """A node's operation, with terms for its dims over symbols."""
        symbols: dict[str, Term] = {}
        if node.dim_fields:
            for symbol, source in self.file.symbols.items():
                tensor = self._tensor(source.node)
                symbols[symbol] = tensor.size(source.dim)
        terms = SizeTerms(self.file.network, node, symbols)
        return terms.in_op(self.file.op(node))

    def _operands(self, node: Node) -> tuple[list[Tensor], dict[str, Tensor]]:
        x = [self._tensor(source) for source in node.inputs]
        given = {}
        for field, source in node.operands.items():
            if field == "indices":
                indices = self.names[Key(source.index, True)]
                given[field] = Tensor(indices, 0)
            else:
                given[field] = self._tensor(source)
        return x, given

    def _tensor(self, source: Node) -> Tensor:
        name = self.names[Key(source.index)]
        return Tensor(name, self.file.rank(source))

    # --- terms -------------------------------------------------------------------------------------------------------

    def _text(self, term: Any, inner: bool = False) -> str:
        """A term as Python; in parentheses where it is a part (``inner``) and needs them."""
        if isinstance(term, (list, tuple)):
            return f"[{', '.join(map(self._text, term))}]"
        if isinstance(term, Call):
            return self._call_text(term, inner)
        if isinstance(term, Own):
            return f"{self.callee}({self._list(term.arguments, term.keywords)})"
        if isinstance(term, Learned):
            return self.callee.replace("self.get_submodule(", "getattr(self, ")
        if not isinstance(term, Tensor):
            return self._part_text(term)
        if isinstance(term.value, str):
            return term.value
        return self._step(term.value, inner)

    def _part_text(self, term: Any) -> str:
        """A part of a tensor or of a result; a plain value otherwise."""
        if isinstance(term, DimOf):
            return f"{self._text(term.tensor, True)}.shape[{term.dim}]"
        if isinstance(term, Device):
            # All tensors of a run have one device.
            variable = next(iter(self.bound), None)
            return f"{variable}.device" if variable else "None"
        if isinstance(term, Item):
            return f"{self._text(term.value, True)}[{term.index}]"
        if not isinstance(term, Sliced):
            return _literal(term)

        tensor = self._text(term.tensor, True)
        dims_before = ":, " * term.dim
        start = self._end_text(term.start)
        stop = self._end_text(term.stop)
        step = f":{term.step}" if term.step != 1 else ""
        return f"{tensor}[{dims_before}{start}:{stop}{step}]"

    def _end_text(self, end: Any) -> str:
        return "" if end in (None, 0) else self._text(end)

    def _call_text(self, term: Call, inner: bool) -> str:
        package, _, name = term.function.rpartition(".")
        if package == "operator":
            operands = [self._text(operand, True) for operand in term.arguments]
            text = f" {OPERATORS[name]} ".join(operands)
            return f"({text})" if inner else text

        is_inside_torch = package.startswith("torch.")
        prefix = PREFIXES.get(package, f"{package}." if is_inside_torch else "")
        return f"{prefix}{name}({self._list(term.arguments, term.keywords)})"

    def _step(self, term: Any, inner: bool) -> str:
        """A tensor on the way to another: what a function gives has a line and a name of its own."""
        text = self._text(term, inner)
        if not isinstance(term, Call) or term.function.startswith("operator."):
            return text
        for line in self.before:
            name, _, value = line.partition(" = ")
            if value == text:
                return name

        function = term.function.rpartition(".")[2]
        verb = VERBS.get(function, "in")
        name = self._fresh(f"{self.label}_{verb}")
        self.before.append(f"{name} = {text}")
        return name

    def _list(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> str:
        words = [f"{word}={self._text(value)}" for word, value in keywords.items()]
        return ", ".join([*map(self._text, arguments), *words])


def _accessed(name: str) -> str:
    """A child of the module that runs."""
    return _target(name) if _plain(name) else f"self.get_submodule({attribute(name)!r})"
