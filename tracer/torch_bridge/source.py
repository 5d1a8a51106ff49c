"""A network as the source of one Python file that needs only torch.

A block of the config becomes a class and a use of it an attribute, so that state dict keys are the config's names.
Numbers in which the uses of a block differ become arguments of its class. What torch calls is what the operations say
(:meth:`tracer.ops.base.Op.call`); here it is only written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.diagnostics import Diagnostic, TracerError, printable
from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import given_arguments, with_arguments, written
from tracer.ops.calls import Call, DimOf, Dtype, Item, Learned, Own, Sliced, Tensor, Term
from tracer.shapes.trace import dims_value
from tracer.sizing.primitives import SYMBOL, choose, quotient
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Size, Space
from tracer.torch_bridge.building import attribute, condition_term, identifier

OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "ge": ">=", "eq": "==", "ne": "!=",
    "and_": "&", "or_": "|",
}  # fmt: skip
TAKEN = {"self", "torch", "nn", "F"}

Key = tuple[int, bool]
"""What crosses from one module to another: a node's output, or (True) the indices of a max pooling."""


def torch_source(net: Net) -> str:
    """The file's text; executed, it defines ``Network`` and the classes of the blocks.

    Raises :class:`TracerError` where the network does not close, or something has no place in such a file.
    """
    trace = net.trace()
    if trace.diagnostics or None in trace.by_index:
        raise TracerError(
            trace.diagnostics
            or [Diagnostic("T201", "the network has no sizes", path=net.network.path)]
        )
    return _File(net).text()


class Module:
    """One class while it is written: the network, a block's use, or the copies of a repeat."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        """The dotted name in the config; empty for the network."""
        self.title = title
        self.children: dict[str, Module | Node] = {}
        self.inputs: list[Key] = []
        """What it reads from outside, in order of first use."""
        self.results: list[Key] = []
        """What of its own is read outside."""


class _File:
    def __init__(self, net: Net) -> None:
        self.net = net
        self.network = net.network
        self.trace = net.trace()
        self.space = Space()
        self.symbols: dict[str, tuple[Node, int]] = {}
        for node in self.network.nodes:
            for dim, symbol in enumerate(node.pattern):
                if isinstance(symbol, str):
                    self.symbols.setdefault(symbol, (node, dim))
        self.root = self._tree()
        self.classes: dict[Any, str] = {}
        """The name of the class of each structure."""
        self.values: dict[str, list[tuple[Any, ...]]] = {}
        self.bodies: list[str] = []

    # --- the tree of modules ---------------------------------------------------------------------------------------

    def _tree(self) -> Module:
        root = Module("", "Network")
        modules = {"": root}
        place: dict[int, str] = {}
        for node in self.network.nodes:
            if node.is_input:
                place[node.index] = ""
                continue
            *around, last = node.name.split(".")
            titles = self._titles(node)
            for depth in range(1, len(around) + 1):
                name = ".".join(around[:depth])
                if name not in modules:
                    modules[name] = Module(name, titles[depth - 1])
                    modules[".".join(around[: depth - 1])].children[around[depth - 1]] = modules[
                        name
                    ]
            place[node.index] = ".".join(around)
            modules[".".join(around)].children[last] = node
        outputs = {node.index for node in self.network.outputs.values()}
        for node in self.network.nodes:
            reads = _reads(node)
            if node.dim_fields and place[node.index]:
                reads += [(source.index, False) for source, _ in self.symbols.values()]
            for key in reads:
                self._cross(modules, place, key, place[node.index])
            if node.index in outputs:
                self._cross(modules, place, (node.index, False), "")
        return root

    @staticmethod
    def _cross(
        modules: Mapping[str, Module], place: Mapping[int, str], key: Key, reader: str
    ) -> None:
        """Note the modules that a value leaves and enters on its way to a reader."""
        own = place[key[0]]
        while own and not (reader == own or reader.startswith(own + ".")):
            if key not in modules[own].results:
                modules[own].results.append(key)
            own = own.rpartition(".")[0]
        while reader != own and reader:
            if key not in modules[reader].inputs:
                modules[reader].inputs.append(key)
            reader = reader.rpartition(".")[0]

    @staticmethod
    def _titles(node: Node) -> list[str]:
        """What each part of the name around a node stands for: a block, or the copies of a repeat."""
        titles = []
        for declaration in (*node.uses, node.declaration):
            titles.append("copies" if declaration.repeat is not None else declaration.op.value)
            if declaration.repeat is not None:
                titles.append(declaration.op.value)
        return titles

    # --- classes ---------------------------------------------------------------------------------------------------

    def text(self) -> str:
        lines = self._class(self.root, "Network", {})
        head = f'"""{self._docstring()}"""\n\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n'
        return "\n\n".join([head, *self.bodies, lines]).rstrip() + "\n"

    def _docstring(self) -> str:
        name = printable(self.network.name or "a network").replace("\\", "").replace('"', "'")
        lines = [f"{name}, written from its config.", ""]
        try:
            axes = self.net.working_sizes().axes
            lines += (
                [
                    "Input sizes that run:",
                    *(f"    {axis.runs.written(s)}" for s, axis in axes.items()),
                ]
                if axes
                else []
            )
        except TooLarge:
            pass
        return "\n".join(lines).rstrip() + "\n"

    def _numbers(self, module: Module, prefix: str = "") -> dict[str, Any]:
        """Every constructor argument in a module, by its place: what uses of one block may differ in."""
        found: dict[str, Any] = {}
        for name, child in module.children.items():
            if isinstance(child, Module):
                found.update(self._numbers(child, f"{prefix}{name}."))
            else:
                for word, value in self._arguments(child).items():
                    found[f"{prefix}{name}.{word}"] = value
        return found

    def _structure(self, module: Module) -> Any:
        """What is the same in all uses that share a class: names, operations, wiring."""
        index = {key: i for i, key in enumerate(module.inputs)}
        for i, node in enumerate(self._nodes(module)):
            index[node.index, False] = -1 - 2 * i
            index[node.index, True] = -2 - 2 * i
        rows = []
        for node in self._nodes(module):
            reads = [index[key] for key in _reads(node)]
            own = bool(self._arguments(node)) or hasattr(_nn(), node.op_name)
            op = None if own and not node.operands else self.trace.ops[node.index]
            local = node.name[len(module.name) + 1 :]
            rows.append(
                (
                    local,
                    node.op_name,
                    tuple(self._arguments(node)),
                    tuple(reads),
                    repr(op),
                    repr(node.dim_fields),
                )
            )
        return (module.title, tuple(rows), tuple(index[r] for r in module.results))

    def _nodes(self, module: Module) -> list[Node]:
        found: list[Node] = []
        for child in module.children.values():
            found += self._nodes(child) if isinstance(child, Module) else [child]
        return found

    def _class_of(self, module: Module) -> tuple[str, dict[str, str]]:
        """The name of a block's class, and the arguments with which this use makes it."""
        key = self._structure(module)
        if key not in self.classes:
            uses = [
                m
                for m in self._all(self.root)
                if m.title == module.title and self._structure(m) == key
            ]
            name = self._class_name(module.title)
            self.classes[key] = name
            numbers = [self._numbers(use) for use in uses]
            varying = {place: tuple(n[place] for n in numbers) for place in numbers[0]}
            parameters: dict[tuple[Any, ...], str] = {}
            for place, vector in varying.items():
                if len(set(map(repr, vector))) > 1 and vector not in parameters:
                    parameters[vector] = self._parameter(place, parameters.values())
            named = {
                place: parameters[vector]
                for place, vector in varying.items()
                if vector in parameters
            }
            self.bodies.append(self._class(module, name, named))
            self.values[name] = list(named.items())
        name = self.classes[key]
        numbers_here = self._numbers(module)
        given: dict[str, str] = {}
        for place, word in self.values[name]:
            given.setdefault(word, _literal(numbers_here[place]))
        return name, given

    def _all(self, module: Module) -> list[Module]:
        found = [module]
        for child in module.children.values():
            if isinstance(child, Module):
                found += self._all(child)
        return found

    def _class_name(self, title: str) -> str:
        base = (
            "".join(part[:1].upper() + part[1:] for part in identifier(title).split("_") if part)
            or "Block"
        )
        taken = {*self.classes.values(), "Network"}
        return next(n for n in (base, *(f"{base}{i}" for i in range(2, 10_000))) if n not in taken)

    @staticmethod
    def _parameter(place: str, taken: Any) -> str:
        word = place.rpartition(".")[2]
        names = [word, identifier(place.replace(".", "_"))]
        return next(
            n for n in (*names, *(f"{names[1]}_{i}" for i in range(2, 10_000))) if n not in taken
        )

    def _class(self, module: Module, name: str, named: Mapping[str, str]) -> str:
        parameters = "".join(f", {word}" for word in dict.fromkeys(named.values()))
        about = (
            [
                f'    """The block {printable(module.title)}; shapes are those of {module.name}."""',
                "",
            ]
            if module.name
            else []
        )
        lines = [
            f"class {name}(nn.Module):",
            *about,
            f"    def __init__(self{parameters}):",
            "        super().__init__()",
        ]
        made = [
            line
            for child, item in module.children.items()
            for line in self._made(child, item, named)
        ]
        body = _Body(self, module)
        forward = body.lines()
        arguments = "".join(f", {body.names[source]}" for source in body.inputs)
        return "\n".join([*lines, *made, "", f"    def forward(self{arguments}):", *forward, ""])

    def _made(self, name: str, child: Module | Node, named: Mapping[str, str]) -> list[str]:
        """The line that makes a child."""
        if isinstance(child, Module):
            if child.title == "copies":
                copies = [
                    self._constructed(copy, f"{name}.{key}.", named)
                    for key, copy in child.children.items()
                ]
                return _listed(name, copies)
            return [_assignment(name, self._constructed(child, f"{name}.", named))]
        made = self._constructed(child, f"{name}.", named)
        if not made and isinstance(term := _term(self, child), Learned):
            return [_registered(name, term)]
        return [_assignment(name, made)] if made else []

    def _constructed(self, child: Module | Node, prefix: str, named: Mapping[str, str]) -> str:
        if isinstance(child, Module):
            name, given = self._class_of(child)
            numbers = {word: place for place, word in reversed(self.values[name])}
            words = [named.get(prefix + numbers[word], text) for word, text in given.items()]
            return f"{name}({', '.join(words)})"
        if not _makes_module(self, child):
            return ""
        words = [
            f"{w}={named.get(prefix + w, _literal(v))}" for w, v in self._arguments(child).items()
        ]
        return f"nn.{child.op_name}({', '.join(words)})"

    def _arguments(self, node: Node) -> dict[str, Any]:
        """The constructor arguments of a node's torch.nn module."""
        op: Any = self.trace.ops[node.index]
        if not _makes_module(self, node):
            return {}
        inferred = op.inferred(*self.trace.input_shapes(node))
        arguments = {word: value for word, value in inferred.items() if getattr(op, word) is None}
        arguments.update({w: v for w, v in given_arguments(op).items() if w not in node.operands})
        if any(
            "indices" in n.operands and n.operands["indices"] is node for n in self.network.nodes
        ):
            arguments["return_indices"] = True
        if isinstance(arguments.get("dtype"), str):
            arguments["dtype"] = Dtype(arguments["dtype"])
        return arguments


def _reads(node: Node) -> list[Key]:
    """What a node reads, in order."""
    operands = [(source.index, field == "indices") for field, source in node.operands.items()]
    return [*((source.index, False) for source in node.inputs), *operands]


def _nn() -> Any:
    import torch.nn

    return torch.nn


def _makes_module(file: _File, node: Node) -> bool:
    """Whether the operation calls a torch.nn module of its own."""
    if not hasattr(_nn(), node.op_name):
        return False
    term = _term(file, node)
    return isinstance(term.value if isinstance(term, Item) else term, Own)


def _term(file: _File, node: Node) -> Term:
    """What torch calls for a node."""
    op: Any = file.trace.ops[node.index]
    if node.dim_fields:
        size = DimOf(Tensor(None, 1), 0)
        op = with_arguments(
            op,
            {
                w: (size,) * len(d) if isinstance(d, tuple) else size
                for w, d in node.dim_fields.items()
            },
        )
    ranks = [len(shape or ()) for shape in file.trace.input_shapes(node)]
    given = {
        field: Tensor(None, len(file.trace.by_index[s.index] or ()))
        for field, s in node.operands.items()
    }
    return op.call([Tensor(None, rank) for rank in ranks], given)  # type: ignore[no-any-return]


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


def _registered(name: str, term: Learned) -> str:
    """The line that makes a parameter or a buffer."""
    drawn = f"torch.randn({_literal(term.shape)}) * 0.02"
    if not term.learned:
        return f"        self.register_buffer({attribute(name)!r}, {drawn})"
    if _plain(name):
        return f"        {_target(name)} = nn.Parameter({drawn})"
    return f"        self.register_parameter({attribute(name)!r}, nn.Parameter({drawn}))"


def _literal(value: Any) -> str:
    if isinstance(value, Dtype):
        return f"torch.{value.name}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_literal, value))}{',' if len(value) == 1 else ''})"
    if (isinstance(value, float) and value != value) or value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    return repr(value)


class _Body:
    """The lines of one ``forward``."""

    def __init__(self, file: _File, module: Module) -> None:
        self.file = file
        self.module = module
        self.names: dict[Key, str] = {}
        self.before: list[str] = []
        """Lines that a node needs before its own."""
        nodes = file.network.nodes
        self.inputs = (
            module.inputs
            if module.name
            else [(node.index, False) for node in nodes if node.is_input]
        )
        single = len(self.inputs) == 1 and module.name
        for index, is_indices in self.inputs:
            name = nodes[index].name.split(".")[-1] + "_indices" * is_indices
            self.names[index, is_indices] = "x" if single else self._fresh(name)

    def _fresh(self, name: str) -> str:
        base = identifier(name)
        used = {*self.names.values(), *TAKEN, *(line.split(" = ")[0] for line in self.before)}
        return next(n for n in (base, *(f"{base}_{i}" for i in range(2, 10_000))) if n not in used)

    def lines(self) -> list[str]:
        found: list[str] = []
        for name, child in self.module.children.items():
            found += (
                self._called(name, child)
                if isinstance(child, Module)
                else self._computed(name, child)
            )
        return [f"        {line}" for line in [*found, f"return {self._returned()}"]]

    def _returned(self) -> str:
        network = self.file.network
        if self.module.name:
            results = [self.names[key] for key in self.module.results]
            return results[0] if len(results) == 1 else ", ".join(results)
        named = {name: self.names[node.index, False] for name, node in network.outputs.items()}
        if len(named) == 1:
            return next(iter(named.values()))
        return "{" + ", ".join(f"{name!r}: {value}" for name, value in named.items()) + "}"

    def _called(self, name: str, child: Module) -> list[str]:
        if child.title == "copies":
            lines = []
            for number, copy in enumerate(child.children.values()):
                if not isinstance(copy, Module):
                    lines += self._computed(f"{name}.{number}", copy)
                else:
                    lines += self._use(f"{self._module(name)}[{number}]", copy)
            return lines
        return self._use(self._module(name), child)

    def _use(self, callee: str, child: Module) -> list[str]:
        arguments = ", ".join(self.names[key] for key in child.inputs)
        parts = child.name.split(".")
        label = "_".join(parts[len(self.module.name.split(".")) if self.module.name else 0 :])
        nodes = self.file.network.nodes
        targets = []
        for index, is_indices in child.results:
            last = (
                nodes[index].name[len(child.name) + 1 :].replace(".", "_") + "_indices" * is_indices
            )
            single = len(child.results) == 1
            self.names[index, is_indices] = self._fresh(label if single else f"{label}_{last}")
            targets.append(self.names[index, is_indices])
        shape = written(self.file.trace.by_index[child.results[-1][0]]) if child.results else ""
        return [f"{', '.join(targets)} = {callee}({arguments})  # {shape}"]

    def _module(self, name: str) -> str:
        return _target(name) if _plain(name) else f"self.get_submodule({attribute(name)!r})"

    def _computed(self, name: str, node: Node) -> list[str]:
        file = self.file
        op: Any = file.trace.ops[node.index]
        if node.dim_fields:
            sizes: Any = {symbol: file.space.symbol(symbol) for symbol in file.symbols}
            dims = {field: dims_value(value, sizes) for field, value in node.dim_fields.items()}
            op = with_arguments(op, {field: self._terms(value) for field, value in dims.items()})
        x = [self._tensor(source) for source in node.inputs]
        given = {
            field: Tensor(self.names[s.index, True], 0) if field == "indices" else self._tensor(s)
            for field, s in node.operands.items()
        }
        parts = name.split(".")
        self.callee = self._module(parts[0]) + "".join(f"[{part}]" for part in parts[1:])
        self.label = "_".join(parts)
        result = op.call(x, given)
        text = self._text(result.value if isinstance(result, Tensor) else result)
        shape = written(file.trace.by_index[node.index])
        target = self.names[node.index, False] = self._fresh(self.label)
        before, self.before = self.before, []
        unpooled = any(n.operands.get("indices") is node for n in file.network.nodes)
        if unpooled or getattr(op, "return_indices", False):
            self.names[node.index, True] = self._fresh(f"{target}_indices")
            target = f"{target}, {self.names[node.index, True]}"
        return [*before, f"{target} = {text}  # {shape}"]

    def _tensor(self, source: Node) -> Tensor:
        return Tensor(
            self.names[source.index, False], len(self.file.trace.by_index[source.index] or ())
        )

    def _terms(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._terms, value))
        if not isinstance(value, Size):
            return value
        total: Any = value.constant
        for monomial, factor in value.terms:
            product: Any = factor
            for index in monomial:
                atom = self._atom(value.space.atoms[index])
                product = atom if isinstance(product, int) and product == 1 else product * atom
            total = product if isinstance(total, int) and total == 0 else total + product
        return total

    def _atom(self, atom: Any) -> Any:
        first, *rest = atom.arguments
        if atom.primitive is SYMBOL:
            node, dim = self.file.symbols[first]
            return self._tensor(node).size(dim)
        if atom.primitive is choose:
            return Call(
                "torch.sym_ite", (condition_term(first, self._terms), *map(self._terms, rest))
            )
        a, b = self._terms(first), self._terms(rest[0])
        return a // b if atom.primitive is quotient else Call("builtins.min", (a, b))

    def _text(self, term: Any, inner: bool = False) -> str:
        """A term as Python."""
        if isinstance(term, Tensor):
            return term.value if isinstance(term.value, str) else self._step(term.value, inner)
        if isinstance(term, DimOf):
            return f"{self._text(term.tensor, True)}.shape[{term.dim}]"
        if isinstance(term, Own):
            return f"{self.callee}({self._list(term.arguments, term.keywords)})"
        if isinstance(term, Learned):
            return self.callee.replace("self.get_submodule(", "getattr(self, ")
        if isinstance(term, Item):
            return f"{self._text(term.value, True)}[{term.index}]"
        if isinstance(term, Sliced):
            ends = [
                ("" if end in (None, 0) else self._text(end)) for end in (term.start, term.stop)
            ]
            step = f":{term.step}" if term.step != 1 else ""
            return f"{self._text(term.tensor, True)}[{':, ' * term.dim}{':'.join(ends)}{step}]"
        if isinstance(term, Call):
            package, _, name = term.function.rpartition(".")
            if package == "operator":
                text = f" {OPERATORS[name]} ".join(self._text(a, True) for a in term.arguments)
                return f"({text})" if inner else text
            short = {"torch.nn.functional": "F", "torch": "torch"}.get(package)
            return (
                f"{short + '.' if short else ''}{name}({self._list(term.arguments, term.keywords)})"
            )
        if isinstance(term, (list, tuple)):
            return f"[{', '.join(map(self._text, term))}]"
        return _literal(term)

    def _step(self, term: Any, inner: bool) -> str:
        """A tensor on the way to another: what a function gives has a line and a name of its own."""
        text = self._text(term, inner)
        if not isinstance(term, Call) or term.function.startswith("operator."):
            return text
        for line in self.before:
            name, _, value = line.partition(" = ")
            if value == text:
                return name
        verb = {"narrow": "cropped", "pad": "padded", "interpolate": "resized"}.get(
            term.function.rpartition(".")[2], "in"
        )
        name = self._fresh(f"{self.label}_{verb}")
        self.before.append(f"{name} = {text}")
        return name

    def _list(self, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> str:
        words = [f"{word}={self._text(value)}" for word, value in keywords.items()]
        return ", ".join([*map(self._text, arguments), *words])
