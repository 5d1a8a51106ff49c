"""A set of sizes that is exact for every integer from 0 on.

Size functions of strides are eventually periodic, so the sizes that a network takes are a finite list and, from some
size on, residue classes of one modulus. This file knows sets only: :mod:`tracer.sizing.periodic` says when a
condition is periodic, :mod:`tracer.planning.working_sizes` asks it of a network.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    import numpy

    from tracer import Drawing

MODULUS = 8_000_000
"""Remainders that are computed at most, and sizes before they repeat."""

LARGEST = 2**40
"""The largest modulus of which a few remainders are looked at."""

DENSE = 1 << 20
"""Of a modulus up to this one every remainder is kept as one of an array of truths."""

FEW = 1_000
"""Sizes that are looked at one by one: NumPy takes longer to be imported."""

WRITTEN = 20_000
"""Sizes and residues of a set that is shown as it is written; of a larger one they are counted."""


class TooLarge(Exception):
    """The set repeats later than sizes are computed; the message says when."""


class SizeSet(msgspec.Struct, frozen=True):
    """The sizes in ``finite``, all below ``start``, and every size >= ``start`` with a remainder in ``residues``.

    Always in canonical form: the least ``modulus``, then the least ``start``; residues sorted. Two sets are equal
    where their fields are. Without a periodic part ``modulus`` is 1 and ``residues`` is empty.
    """

    finite: tuple[int, ...]
    start: int
    modulus: int
    residues: tuple[int, ...]

    def __contains__(self, size: object) -> bool:
        if not isinstance(size, int) or size < 0:
            return False
        if size >= self.start:
            return _within(size % self.modulus, self.residues)
        return _within(size, self.finite)

    def __bool__(self) -> bool:
        return bool(self.finite or self.residues)

    @property
    def is_finite(self) -> bool:
        """Whether only finitely many sizes belong to it."""
        return not self.residues

    @property
    def density(self) -> float:
        """The share of the large sizes that belong to it."""
        return len(self.residues) / self.modulus

    @property
    def least(self) -> int | None:
        """The smallest size; None where there is none."""
        return self.at_least(0)

    def at_least(self, size: int) -> int | None:
        """The smallest member >= ``size``; None where there is none."""
        size = max(size, 0)
        place = bisect_left(self.finite, size)
        if place < len(self.finite):
            return self.finite[place]
        if not self.residues:
            return None
        size = max(size, self.start)
        place = bisect_left(self.residues, size % self.modulus)
        base = size - size % self.modulus
        if place < len(self.residues):
            return base + self.residues[place]
        return base + self.modulus + self.residues[0]

    def at_most(self, size: int) -> int | None:
        """The largest member <= ``size``; None where there is none."""
        if self.residues and size >= self.start:
            base = size - size % self.modulus
            place = bisect_left(self.residues, size % self.modulus + 1)
            found = (
                base + self.residues[place - 1]
                if place
                else base - self.modulus + self.residues[-1]
            )
            if found >= self.start:
                return found
        place = bisect_left(self.finite, size + 1)
        return self.finite[place - 1] if place else None

    def nearest(self, size: int) -> tuple[int, ...]:
        """The members next to ``size``, the nearer one first (the smaller of two as near); itself, where it is one."""
        if size in self:
            return (size,)
        found = [n for n in (self.at_most(size), self.at_least(size)) if n is not None]
        return tuple(sorted(found, key=lambda n: (abs(n - size), n)))

    def mask(self, sizes: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        """Which sizes of an array (integers from 0 on) belong to it, all at once."""
        import numpy

        found = _in_classes(sizes, self.modulus, numpy.array(self.residues, numpy.int64))
        if self.start:
            small = numpy.zeros(self.start, bool)
            small[list(self.finite)] = True
            below = sizes < self.start
            found[below] = small[sizes[below]]
        return found

    def with_first(self, truth: numpy.ndarray[Any, Any]) -> SizeSet:
        """The set with other first members: those where ``truth`` holds, which says it of all below ``start``."""
        import numpy

        return of_residues(truth, self.modulus, numpy.array(self.residues, numpy.int64))

    def between(self, least: int, most: int) -> Iterator[int]:
        """The members from ``least`` to ``most``, both included, in order."""
        n = self.at_least(least)
        while n is not None and n <= most:
            yield n
            n = self.at_least(n + 1)

    def __and__(self, other: SizeSet) -> SizeSet:
        return _combined(self, other, lambda a, b: a & b)

    def __or__(self, other: SizeSet) -> SizeSet:
        return _combined(self, other, lambda a, b: a | b)

    def __sub__(self, other: SizeSet) -> SizeSet:
        return _combined(self, other, lambda a, b: a & (b ^ True))

    def __le__(self, other: SizeSet) -> bool:
        return not self - other

    def __str__(self) -> str:
        """The set as ``tracer sizes`` prints it: ``n = 16k + 12, k >= 11``."""
        return self.written()

    def written(self, symbol: str = "n") -> str:
        """As a person writes it: ``H = 16k + 12, k >= 11``."""
        if not self:
            return f"no {symbol}"
        return ", or ".join(part.of(symbol) for part in self._parts())

    def __repr__(self) -> str:
        """The sizes without a symbol.

        >>> SizeSet((), 188, 16, (12,)), SizeSet((3,), 8, 1, (0,)), EVERY, NONE
        (16k + 12, k >= 11, 3, or >= 8, any size, no size)
        """
        if self._is_long:
            count = len(self.residues)
            if not count:
                return f"{len(self.finite)} sizes below {self.start}"
            below = f" and {len(self.finite)} below" if self.finite else ""
            return f"{count} residues of {self.modulus} from {self.start} on{below}"
        if not self:
            return "no size"
        return ", or ".join(part.alone for part in self._parts())

    def told(self, symbol: str) -> str:
        """As :meth:`written`, and of a set with many sizes their number."""
        return f"{symbol}: {self!r}" if self._is_long else self.written(symbol)

    @property
    def _is_long(self) -> bool:
        return len(self.finite) + len(self.residues) > WRITTEN

    def _repr_html_(self) -> str | None:
        """The table that a notebook shows."""
        import tracer

        return tracer.html_of(self)

    def _repr_svg_(self) -> str | None:
        """The picture that a notebook shows; None where it is large."""
        import tracer

        return tracer.svg_of(self)

    def draw(self) -> Drawing:
        """The picture: the sizes from 0 on, those that belong to it filled."""
        import tracer

        return tracer.drawing_of(self)

    def _parts(self) -> Iterator[_Part]:
        """The sizes that are listed, then those of each form."""
        if self.modulus == 1 and self.residues:
            if self.finite:
                yield _Part("=", _listed(self.finite))
            yield _Part(">=", str(self.start)) if self.start else _Part("any", "")
            return

        single, classes = list(self.finite), dict[int, list[str]]()
        for first, last in _runs(self.residues, self.modulus):
            k = -(-(self.start - first) // self.modulus)
            classes.setdefault(k, []).append(_form(self.modulus, first, last))
            # A run that the start cuts is listed as far as it belongs to the set.
            single += range(self.start, self.modulus * (k - 1) + last + 1)

        if single:
            yield _Part("=", _listed(sorted(single)))
        for k, found in classes.items():
            shown = found
            if len(found) > 8:
                shown = [*found[:4], f"... {found[-1]} ({len(self.residues)} in all)"]
            yield _Part("=", f"{' or '.join(shown)}, k >= {k}")


class _Part(NamedTuple):
    """Some sizes of a set, and what they are to a symbol."""

    relation: str
    sizes: str

    def of(self, symbol: str) -> str:
        """``H = 16k, k >= 2``, ``H >= 8``, ``any H``."""
        if self.relation == "any":
            return f"any {symbol}"
        return f"{symbol} {self.relation} {self.sizes}"

    @property
    def alone(self) -> str:
        """``16k, k >= 2``, ``>= 8``, ``any size``."""
        if self.relation == "=":
            return self.sizes
        return "any size" if self.relation == "any" else f"{self.relation} {self.sizes}"


def _within(value: int, numbers: Sequence[int]) -> bool:
    place = bisect_left(numbers, value)
    return place < len(numbers) and numbers[place] == value


def _neighbours(numbers: Sequence[int]) -> list[list[int]]:
    """Numbers in order as ranges without gaps: the first and the last of each.

    >>> _neighbours([1, 2, 3, 7])
    [[1, 3], [7, 7]]
    """
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][1] == n - 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return runs


def _runs(residues: Sequence[int], modulus: int) -> list[tuple[int, int]]:
    """Neighbouring residues, three or more, as (first, last); the last may lie beyond the modulus. Others alone."""
    runs = _neighbours(residues)
    if len(runs) > 1 and runs[0][0] == 0 and runs[-1][1] == modulus - 1:
        wrapped = [runs[-1][0], modulus + runs[0][1]]
        if wrapped[1] - wrapped[0] >= 2:
            runs = [*runs[1:-1], wrapped]
    found: list[tuple[int, int]] = []
    for first, last in runs:
        if last - first >= 2:
            found.append((first, last))
        else:
            found += [(n, n) for n in range(first, last + 1)]
    return found


def _form(modulus: int, first: int, last: int) -> str:
    text = f"{modulus}k + {first}" if first else f"{modulus}k"
    return text if first == last else f"{modulus}k + {first}..{last}"


def _listed(numbers: Sequence[int], most: int = 12) -> str:
    """Numbers in order, three or more neighbours as 5..9, the middle of many left out."""
    texts: list[str] = []
    for first, last in _neighbours(numbers):
        texts += [f"{first}..{last}"] if last - first >= 2 else map(str, range(first, last + 1))
    if len(texts) > most:
        texts = [*texts[: most - 2], "...", texts[-1]]
    return ", ".join(texts)


EVERY = SizeSet((), 0, 1, (0,))
"""Every size from 0 on."""

NONE = SizeSet((), 0, 1, ())
"""No size."""


def of_few(truth: Sequence[bool], period: int) -> SizeSet:
    """The same set as :func:`of_members` gives, of few sizes, which are looked at one by one.

    >>> of_few([False, True, True, False, True, False], 2)
    1, or 2k, k >= 1
    """
    start = len(truth) - period
    members = [n for n in range(start, len(truth)) if truth[n]]
    modulus, residues = _least_classes(period, {n % period for n in members})

    others = [n for n in range(start) if truth[n] != (n % modulus in residues)]
    start = max(others, default=-1) + 1
    finite = tuple([n for n in range(start) if truth[n]])
    return SizeSet(finite, start, modulus, tuple(sorted(residues)))


def _least_classes(modulus: int, residues: set[int]) -> tuple[int, set[int]]:
    """The least modulus of which these classes are classes, and their remainders; 1 where there are none."""
    for prime in _primes_of(modulus):
        while modulus % prime == 0:
            fewer = {n % (modulus // prime) for n in residues}
            if len(fewer) * prime != len(residues):
                break
            modulus, residues = modulus // prime, fewer
    return modulus, residues


def of_members(truth: numpy.ndarray[Any, Any], period: int) -> SizeSet:
    """The set whose first members are where ``truth`` holds, and whose last ``period`` entries repeat for ever."""
    import numpy

    start = len(truth) - period
    pattern = numpy.roll(truth[start:], start % period)
    return of_residues(truth[:start], period, numpy.flatnonzero(pattern))


def of_residues(
    before: numpy.ndarray[Any, Any], modulus: int, residues: numpy.ndarray[Any, Any]
) -> SizeSet:
    """The set whose first members are where ``before`` holds, and from its end on those with these remainders."""
    import numpy

    if not len(residues):
        finite = numpy.flatnonzero(before)
        last = int(finite[-1]) + 1 if len(finite) else 0
        return SizeSet(tuple(finite.tolist()), last, 1, ())

    modulus, residues = _least_modulus(modulus, residues)
    classes = _in_classes(numpy.arange(len(before)), modulus, residues)
    different = numpy.flatnonzero(before != classes)
    start = int(different[-1]) + 1 if len(different) else 0
    return SizeSet(
        tuple(numpy.flatnonzero(before[:start]).tolist()),
        start,
        modulus,
        tuple(residues.tolist()),
    )


def lifted(
    residues: numpy.ndarray[Any, Any], modulus: int, multiple: int, start: int = 0
) -> numpy.ndarray[Any, Any]:
    """All remainders of a multiple of the modulus that are these of the modulus. Raises :class:`TooLarge` for many."""
    import numpy

    times = multiple // modulus
    refuse_large(multiple, start, len(residues) * times)
    steps = modulus * numpy.arange(times, dtype=numpy.int64)
    found: numpy.ndarray[Any, Any] = numpy.add.outer(steps, residues).ravel()
    return found


def _in_classes(
    sizes: numpy.ndarray[Any, Any], modulus: int, residues: numpy.ndarray[Any, Any]
) -> numpy.ndarray[Any, Any]:
    """Which sizes have one of the remainders, which are in order."""
    import numpy

    found: numpy.ndarray[Any, Any]
    remainders = sizes % modulus
    if modulus <= DENSE:
        pattern = numpy.zeros(modulus, bool)
        pattern[residues] = True
        found = pattern[remainders]
        return found
    if not len(residues):
        return numpy.zeros(len(sizes), bool)
    place = numpy.searchsorted(residues, remainders)
    found = residues[numpy.minimum(place, len(residues) - 1)] == remainders
    return found


def _least_modulus(
    modulus: int, residues: numpy.ndarray[Any, Any]
) -> tuple[int, numpy.ndarray[Any, Any]]:
    """The least modulus of which these classes are classes, and their remainders in order."""
    import numpy

    if modulus <= DENSE:
        pattern = numpy.zeros(modulus, bool)
        pattern[residues] = True
        pattern = _least_period(pattern)
        return len(pattern), numpy.flatnonzero(pattern)

    residues = numpy.sort(residues)
    for prime in _primes_of(modulus):
        while modulus % prime == 0:
            # Each class of the smaller modulus is this many of the larger one, or it is not all there.
            fewer = _in_order(residues % (modulus // prime))
            if len(fewer) * prime != len(residues):
                break
            modulus, residues = modulus // prime, fewer
    return modulus, residues


def _in_order(numbers: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """The numbers in order, each once. NumPy's own imports masked arrays, which takes longer than most sets."""
    import numpy

    numbers = numpy.sort(numbers)
    is_new = numpy.ones(len(numbers), bool)
    is_new[1:] = numbers[1:] != numbers[:-1]
    return numbers[is_new]


def _primes_of(number: int) -> list[int]:
    """The primes that divide a number.

    >>> _primes_of(360)
    [2, 3, 5]
    """
    found, prime = [], 2
    while number > 1:
        if prime * prime > number:
            prime = number
        if number % prime == 0:
            found.append(prime)
        while number % prime == 0:
            number //= prime
        prime += 1
    return found


def _least_period(pattern: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
    """The shortest pattern that repeats to this one, whose length is divided by prime after prime."""
    for prime in _primes_of(len(pattern)):
        while len(pattern) % prime == 0:
            parts = pattern.reshape(prime, -1)
            if not (parts == parts[0]).all():
                break
            pattern = parts[0]
    return pattern


def _combined(a: SizeSet, b: SizeSet, join: Any) -> SizeSet:
    if a == b and join(True, True):
        return a
    modulus = math.lcm(a.modulus, b.modulus)
    start = max(a.start, b.start)
    refuse_large(1, start)
    if start + modulus <= FEW:
        return of_few([bool(join(n in a, n in b)) for n in range(start + modulus)], modulus)

    import numpy

    residues = [
        lifted(numpy.array(one.residues, numpy.int64), one.modulus, modulus, start)
        for one in (a, b)
    ]
    candidates = _in_order(numpy.concatenate(residues))
    mine, theirs = (numpy.isin(candidates, one) for one in residues)
    sizes = numpy.arange(start)
    before = join(a.mask(sizes), b.mask(sizes))
    return of_residues(before, modulus, candidates[join(mine, theirs)])


def refuse_large(modulus: int, start: int, count: int | None = None) -> None:
    """Raise :class:`TooLarge` where a set would be decided beyond what is computed.

    ``count`` remainders of the modulus have to be looked at; None for all.
    """
    if count is None:
        count = modulus
    if count + start > MODULUS or modulus > LARGEST:
        raise TooLarge(
            f"the sizes repeat every {modulus}, from {start} on; at most {MODULUS} are computed"
        )
