"""Which input sizes run, for programs: a record that is JSON, and the questions that it answers.

It needs neither the network nor torch: the record holds all that torch requires, as conditions over the symbols, with
the words for each. :mod:`tracer.planning.constraining` makes it from a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from tracer.diagnostics import printable, shortened
from tracer.planning.search import Effort, SearchBox, TooManyValues, Variable, solve
from tracer.sizing.size_set import LARGEST, SizeSet, TooLarge
from tracer.sizing.stored import Truth, check_truth, holds_at, read_program
from tracer.sizing.symbol import Condition

FORMAT_VERSION = "1.0"

BYTES = 2**22
"""Bytes of a text that is read as constraints."""

MOST = 2**63 - 1
"""The largest size."""

PIECES = 4_000
"""Ends of a symbol's domain that are tried to be cut off; what is left then is searched as it is."""

WINDOWS = (16, 128, 1024, 8192, 65_536)
"""How far behind the next size that each symbol takes by itself tied sizes are looked for, in steps."""

WORK = 2_000_000
"""Numbers that a search for the next tied sizes computes and reads before it gives up."""

ROUNDS = 8
"""How often the sizes of one symbol narrow those of the others: ties of squares would go on for ever."""

SLOT = re.compile(r"⟦(\d+)⟧")
"""A place in a text for the value of a slot."""


class RequirementAnswer(msgspec.Struct, frozen=True):
    """Something that torch requires."""

    holds: Truth
    """The condition over the program's slots."""
    node: str
    """The node that requires it."""
    condition: str
    """The condition as an expression over the symbols, ``...`` in place of what is long."""
    message: str
    """What is said where it does not hold; ``⟦7⟧`` stands for the value of slot 7."""


class CaseAnswer(msgspec.Struct, frozen=True):
    """Sizes that run where all requirements hold."""

    where: dict[str, SizeSet]
    """It is about these sizes of some symbols only."""
    sets: dict[str, SizeSet]
    """The sizes that each symbol takes by itself: what ties it to others is in the requirements."""
    below: dict[str, int]
    """Symbols whose set is known below this size only."""
    steps: list[list[Any]]
    """The program: each step computes the next slot. ``sizing/stored.py`` has the instructions."""
    requirements: list[RequirementAnswer]


class ConstraintsAnswer(msgspec.Struct, frozen=True):
    """The input sizes that run: those of the first case, or of any other one."""

    format_version: str
    name: str | None
    inputs: dict[str, list[int | str]]
    """The shape of every input: numbers and symbols."""
    symbols: list[str]
    """They fill the first slots of every program."""
    declared: dict[str, int]
    """The sizes of symbols that a question leaves out."""
    cases: list[CaseAnswer]


class NearestSizes(NamedTuple):
    """The sizes of all symbols next to those that were asked, decided together."""

    below: dict[str, int] | None
    """No symbol larger; None where there are none."""
    above: dict[str, int] | None
    """No symbol smaller; None where there are none."""
    padding: dict[str, int] | None
    """What is missing from the sizes that were asked to those above."""


class SizeVariable(Variable):
    """The size of one symbol, up or down from the one that was asked, its default."""

    members: SizeSet
    below: int
    """The members are known below this size; from there on every size is tried."""

    def cheapest_first(self) -> Iterator[int]:
        """The members in the domain, the nearest to the default first."""
        first = self.domain.start
        last = self.domain.stop - 1
        if self.default <= first:
            yield from self.members.between(first, min(last, self.below - 1))
            yield from range(max(first, self.below), last + 1)
            return

        yield from range(last, max(first, self.below) - 1, -1)
        n = self.members.at_most(min(last, self.below - 1))
        while n is not None and n >= first:
            yield n
            n = self.members.at_most(n - 1)


class _Wish(NamedTuple):
    """Sizes that others are looked for next to."""

    sizes: Mapping[str, int]
    moving: frozenset[str]
    """The symbols whose sizes may differ; the others keep theirs."""
    is_up: bool
    """Whether the others are larger; smaller otherwise."""

    def distance(self, found: Mapping[str, int]) -> tuple[int, list[int]]:
        """The sum of all differences, then each of them."""
        apart = [abs(found[symbol] - n) for symbol, n in self.sizes.items()]
        return sum(apart), apart

    def edge(self, domain: range, count: int) -> tuple[range, range]:
        """The sizes of a domain that are nearest to the wish, so many, and the rest."""
        if self.is_up:
            return domain[:count], domain[count:]
        return domain[-count:], domain[:-count]


class _Case:
    """A case with its program read."""

    index = 0
    """Conditions of a search belong to something with an index."""

    def __init__(self, stored: CaseAnswer, symbols: Sequence[str]) -> None:
        self.stored = stored
        self.symbols = symbols
        self.program = read_program(symbols, stored.steps)
        self._check_slots()

    def _check_slots(self) -> None:
        slots = len(self.program.symbols) + self.program.computed
        for requirement in self.stored.requirements:
            check_truth(requirement.holds, slots)
            shown = [int(slot) for slot in SLOT.findall(requirement.message)]
            if any(slot >= slots for slot in shown):
                raise ValueError(f"the program has no such slot: {requirement.message}")

    def runs(self, sizes: Mapping[str, int]) -> bool:
        """Whether these sizes run, as far as this case goes."""
        return self.is_about(sizes) and self.broken(sizes) is None

    def is_about(self, sizes: Mapping[str, int]) -> bool:
        """Whether these sizes are among those that the case is about."""
        return all(sizes[symbol] in found for symbol, found in self.stored.where.items())

    def broken(self, sizes: Mapping[str, int]) -> str | None:
        """The first requirement that does not hold, in words; None where all do."""
        v = self.program.run({"": 0, **sizes})

        def value(slot: re.Match[str]) -> str:
            return str(v[int(slot[1])])

        for requirement in self.stored.requirements:
            if not holds_at(requirement.holds, v):
                return SLOT.sub(value, requirement.message)
        return None

    def next(self, wish: _Wish) -> dict[str, int] | None:
        """The sizes next to a wish; None where there are none. Raises TooManyValues and TooLarge."""
        domains = {symbol: self._domain(symbol, wish) for symbol in self.symbols}
        if not all(domains.values()) or False in self._tying:
            return None

        asks = [(c, self) for c in self._tying if isinstance(c, Condition)]
        box = SearchBox(self.program.space, self.symbols, [condition for condition, _ in asks])
        if not self._narrow(domains, wish, box):
            return None
        return self._searched(domains, wish, asks)

    def _domain(self, symbol: str, wish: _Wish) -> range:
        """The sizes among which a symbol's is looked for, from the nearest that it takes by itself; empty for none."""
        asked = wish.sizes[symbol]
        members, below = self._members(symbol)
        if symbol not in wish.moving:
            stays = asked >= below or asked in members
            return range(asked, asked + stays)

        if wish.is_up:
            start = _next_up(asked, members, below)
            if start is None:
                return range(0)
            return range(start, MOST + 1)

        # An empty batch is nobody's nearest size.
        end = asked if asked >= below else members.at_most(asked)
        if end is None:
            return range(0)
        return range(min(asked, 1), end + 1)

    def _members(self, symbol: str) -> tuple[SizeSet, int]:
        """The sizes that a symbol takes by itself, and the size from which on they are not known."""
        stored = self.stored
        if symbol in stored.where:
            return stored.where[symbol], MOST + 1
        return stored.sets[symbol], stored.below.get(symbol, MOST + 1)

    def _narrow(self, domains: dict[str, range], wish: _Wish, box: SearchBox) -> bool:
        """Take from the near ends of the domains what meets no condition with any sizes; False: nothing is left."""
        if box.is_refuted(domains):
            return False
        for _ in range(ROUNDS):
            before = dict(domains)
            for symbol in wish.moving:
                domains[symbol] = _narrowed(symbol, domains, wish, box)
                if not domains[symbol]:
                    return False
            if before == domains:
                break
        return True

    def _searched(
        self, domains: Mapping[str, range], wish: _Wish, asks: Sequence[tuple[Condition, Any]]
    ) -> dict[str, int] | None:
        found: dict[str, int] | None = None
        for window in WINDOWS:
            near: dict[str, range] = {}
            variables: dict[str, SizeVariable] = {}
            for symbol, domain in domains.items():
                near[symbol], _ = wish.edge(domain, window + 1)
                asked = wish.sizes[symbol]
                members, below = self._members(symbol)
                variables[symbol] = SizeVariable(symbol, near[symbol], asked, members, below)
            found = solve(self.program.space, variables, asks, Effort(WORK)).values
            if found is None:
                continue

            # Sizes outside of the window are further from its near end than all of these together.
            away = 0
            for symbol, domain in near.items():
                end, _ = wish.edge(domain, 1)
                away += abs(found[symbol] - end[0])
            if away <= window:
                return found
        return found

    @cached_property
    def _tying(self) -> list[Condition | bool]:
        """The requirements on several symbols, and on those whose sets are not known for all sizes."""
        sizes = self.program.sizes()
        found = []
        for requirement in self.stored.requirements:
            holds = holds_at(requirement.holds, sizes)
            support = self.program.space.support(holds)
            is_known = len(support) == 1 and not support & self.stored.below.keys()
            if not is_known:
                found.append(holds)
        return found


def _next_up(asked: int, members: SizeSet, below: int) -> int | None:
    """The next member, or the size from which on members are not known; None where there is neither."""
    if asked >= below:
        return asked
    found = members.at_least(asked)
    if found is None and below <= MOST:
        return below
    return found


def _narrowed(symbol: str, domains: Mapping[str, range], wish: _Wish, box: SearchBox) -> range:
    """A symbol's domain without the near end that meets no condition: pieces that double, then halve again."""
    domain = domains[symbol]
    count = 1
    grows = True
    for _ in range(PIECES):
        if not domain:
            break
        piece, rest = wish.edge(domain, count)
        if box.is_refuted({**domains, symbol: piece}):
            domain = rest
            count = count * 2 if grows else max(count // 2, 1)
        elif count == 1:
            break
        else:
            grows = False
            count //= 2
    return domain


class Constraints:
    """The input sizes that run. Made by :func:`tracer.constraints`, or read by :meth:`from_json`.

    Symbols that a question leaves out have their declared sizes.

    >>> import tracer
    >>> c = tracer.constraints(tracer.load("configs/unet_padded.yaml"))
    >>> c.runs(H=512, W=375), c.nearest(H=512, W=375).above
    (False, {'H': 512, 'W': 384})
    """

    def __init__(self, record: ConstraintsAnswer) -> None:
        """Raises ValueError for a record that says nothing of its symbols, or nothing that can be computed."""
        _check(record)
        self.record = record
        self._cases = [_Case(stored, record.symbols) for stored in record.cases]

    def __repr__(self) -> str:
        """The network's name, its inputs, and the sizes that each symbol takes by itself."""
        record = self.record
        inputs = [f"{name} {_shown(dims)}" for name, dims in record.inputs.items()]
        sets = [found.told(symbol) for symbol, found in record.cases[0].sets.items()]
        text = "; ".join([f"{record.name or ''}: {', '.join(inputs)}", *sets])
        return f"<Constraints {shortened(printable(text))}>"

    def _repr_html_(self) -> str | None:
        """The table that a notebook shows."""
        import tracer

        return tracer.html_of(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraints) and self.record == other.record

    __hash__ = None  # type: ignore[assignment]

    def runs(self, /, **sizes: int) -> bool:
        """Whether torch raises nothing at these sizes, with the module as it is built for the declared ones."""
        asked = self._sizes(sizes)
        return any(case.runs(asked) for case in self._cases)

    def why(self, /, **sizes: int) -> str | None:
        """What fails first at these sizes, with the node and the numbers; None where they run."""
        asked = self._sizes(sizes)
        if any(case.runs(asked) for case in self._cases):
            return None

        # A case about these sizes alone knows better than one on symbols, which refuses them.
        own = [case for case in self._cases[1:] if case.is_about(asked)]
        return [self._cases[0], *own][-1].broken(asked)

    def nearest(self, /, **sizes: int) -> NearestSizes:
        """The sizes next to these that run, below and above, and the padding up to those above.

        All symbols that are given are decided together: those above have the least sum of differences with no symbol
        smaller than asked, and of equal sums the one that changes the first symbols least. Sizes are 1 or more. Where
        symbols are tied together, the sizes lie within 65,536 of the next that each takes by itself. Raises ValueError
        where there are too many to try.
        """
        asked = self._sizes(sizes)
        below, above = (
            self._next(_Wish(asked, frozenset(sizes), is_up)) for is_up in (False, True)
        )
        padding = None
        if above is not None:
            padding = {symbol: above[symbol] - n for symbol, n in sizes.items()}
        return NearestSizes(_only(below, sizes), _only(above, sizes), padding)

    def pad_to(self, shape: Sequence[int], /) -> tuple[int, ...]:
        """The pads for ``torch.nn.functional.pad``, with which an input of this shape runs: the least ones.

        They are two numbers for each dim, the last dim first, and all that is added comes behind the data: the number
        before it is 0. So ``y[..., :h, :w]`` is the padded map without the padding. Every dim behind batch and
        channels has its numbers, and those two have theirs only where they grow. Raises ValueError where no padding
        helps, where a dim is not the fixed one, and for a network of several inputs.

        >>> import tracer
        >>> tracer.constraints(tracer.load("configs/unet_padded.yaml")).pad_to((1, 1, 500, 375))
        (0, 9, 0, 12)
        """
        pattern = self._pattern(shape)
        asked: dict[str, int] = {}
        for dim, n in zip(pattern, shape):
            if isinstance(dim, str):
                _check_size(dim, n)
                asked[dim] = max(asked.get(dim, 0), n)

        found = self._next(_Wish(self._sizes(asked), frozenset(asked), is_up=True))
        if found is None:
            raise ValueError(f"no padding of {_shown(shape)} runs: {self.why(**asked)}")

        grown = []
        for dim, n in zip(pattern, shape):
            grown.append(found[dim] - n if isinstance(dim, str) else 0)
        first = next((i for i, more in enumerate(grown) if more), len(grown))
        pads: list[int] = []
        for more in reversed(grown[min(first, 2) :]):
            pads += (0, more)
        return tuple(pads)

    def to_json(self) -> str:
        """The constraints as JSON, with a fixed order of keys; :meth:`from_json` reads it."""
        return msgspec.json.encode(self.record).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> Constraints:
        """The constraints that :meth:`to_json` wrote. Raises ValueError for what is none."""
        if len(text) > BYTES:
            raise ValueError(f"a text of constraints has at most {BYTES} characters")
        try:
            return cls(msgspec.json.decode(text, type=ConstraintsAnswer))
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise ValueError(f"no constraints: {error}") from None

    def _next(self, wish: _Wish) -> dict[str, int] | None:
        try:
            found = [sizes for case in self._cases if (sizes := case.next(wish)) is not None]
        except TooManyValues:
            raise ValueError(
                "too many sizes of the tied symbols would have to be tried"
            ) from None
        except TooLarge as error:
            raise ValueError(str(error)) from None
        return min(found, key=wish.distance, default=None)

    def _sizes(self, given: Mapping[str, int]) -> dict[str, int]:
        """The size of every symbol. Raises ValueError for a symbol that is none, that has none, and for no size."""
        for symbol, n in given.items():
            if symbol not in self.record.symbols:
                known = ", ".join(self.record.symbols) or "none"
                raise ValueError(f"the input has no symbol {symbol!r}; its symbols: {known}")
            _check_size(symbol, n)

        sizes = {**self.record.declared, **given}
        missing = [symbol for symbol in self.record.symbols if symbol not in sizes]
        if missing:
            raise ValueError(f"no size is declared for {', '.join(missing)}: give one")
        return {symbol: sizes[symbol] for symbol in self.record.symbols}

    def _pattern(self, shape: Sequence[int]) -> list[int | str]:
        """The pattern of the only input. Raises ValueError for a shape of another rank or with other fixed dims."""
        if len(self.record.inputs) != 1:
            raise ValueError("the network has several inputs: ask `nearest` for their sizes")

        ((name, pattern),) = self.record.inputs.items()
        dims = zip(pattern, shape)
        fits = all(isinstance(dim, str) or dim == n for dim, n in dims)
        if not fits or len(pattern) != len(shape):
            raise ValueError(f"{name} has the shape {_shown(pattern)}, not {_shown(shape)}")
        tied = [dim for dim in pattern if isinstance(dim, str) and not dim.isidentifier()]
        if tied:
            raise ValueError(f"{name} has the dim {tied[0]}: ask `nearest` for its sizes")
        return pattern


def _only(found: dict[str, int] | None, symbols: Iterable[str]) -> dict[str, int] | None:
    return found and {symbol: found[symbol] for symbol in symbols}


def _check_size(symbol: str, n: Any) -> None:
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MOST:
        raise ValueError(f"the size of {symbol} must be an integer from 0 on, not {n!r}")


def _shown(shape: Sequence[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _symbols_in(shapes: Iterable[list[int | str]]) -> set[str]:
    """The symbols that stand alone in a dim; other texts are expressions over them."""
    dims = [str(dim) for shape in shapes for dim in shape]
    return {dim for dim in dims if dim.isidentifier()}


def _check(record: ConstraintsAnswer) -> None:
    """Raise ValueError for a record that does not fit together."""
    if record.format_version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise ValueError(f"constraints of the format {record.format_version!r} are not known")
    if not record.cases:
        raise ValueError("constraints have at least one case")

    symbols = set(record.symbols)
    used = _symbols_in(record.inputs.values()) | record.declared.keys()
    are_unlike = len(symbols) == len(record.symbols)
    if not are_unlike or not used <= symbols:
        raise ValueError("constraints name each symbol once, and use no others")
    for symbol, n in record.declared.items():
        _check_size(symbol, n)
    for case in record.cases:
        _check_case(case, symbols)


def _check_case(case: CaseAnswer, symbols: set[str]) -> None:
    """Raise ValueError for a case whose sets are not those of the symbols."""
    used = case.where.keys() | case.below.keys()
    if case.sets.keys() != symbols or not used <= symbols:
        raise ValueError("a case has one set for every symbol, and uses no others")
    for found in (*case.sets.values(), *case.where.values()):
        _check_set(found)


def _check_set(found: SizeSet) -> None:
    """Raise ValueError for a set whose fields are not in order."""
    members = (found.finite, found.start)
    residues = (found.residues, found.modulus)
    for numbers, end in (members, residues):
        in_order = all(a < b for a, b in pairwise(numbers))
        in_range = all(0 <= n < end for n in numbers)
        if not in_order or not in_range:
            raise ValueError("the numbers of a set of sizes are not in order")
    if not 1 <= found.modulus <= LARGEST or not 0 <= found.start <= MOST:
        raise ValueError("a set of sizes has no such modulus or start")
