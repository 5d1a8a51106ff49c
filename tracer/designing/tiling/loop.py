"""The code of the loop over tiles: one function that needs torch alone, to be pasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracer.designing.tiling.plan import Tiling, Untileable
from tracer.designing.tiling.together import Cut
from tracer.diagnostics import printable

EQUAL = "The outputs are those of a run on the whole picture, to float rounding."

UNEQUAL = "The outputs are not those of a run on the whole picture, because of: {}."

LOOP = '''\
"""Runs {network} on a picture in tiles, for pictures of {sizes}.

{claim}
"""

import itertools

import torch

TILE = {tile}
STEP = {step}
PERIOD = {period}
PICTURE = {picture}

# For each input its dims that are cut: dim, axis, positions per pixel as a ratio.
INPUTS = {inputs}

# For each output: dim, axis, positions per pixel as a ratio, the first position of a tile that is right where it does
# not begin at the picture's border, and the size for PICTURE.
OUTPUTS = {outputs}


def starts(axis, n):
    """Where the tiles of n pixels begin; the last one ends where they do."""
    if n <= TILE[axis]:
        return [0]
    if (n - PICTURE[axis]) % PERIOD[axis]:
        raise ValueError(f"{{axis}} = {{n}}: write tiles for pictures {{PICTURE[axis]}} + {{PERIOD[axis]}}k")
    last = -(-(n - TILE[axis]) // PERIOD[axis]) * PERIOD[axis]
    return [*range(0, last, STEP[axis]), last]


@torch.no_grad()
def tiled(model, *pictures, device=None):
    """The outputs of model(*pictures), as it gives them: a tensor, a tuple or list, or a dict.

    Tiles are moved to ``device``, where the model is, and their outputs back to where the pictures are.
    """
    sizes = {{}}
    for picture, cuts in zip(pictures, INPUTS):
        for dim, axis, up, down in cuts:
            if up == down:
                sizes[axis] = picture.shape[dim]

    whole = {{}}
    axes = list(TILE)
    for corner in itertools.product(*[starts(axis, sizes[axis]) for axis in axes]):
        begin = dict(zip(axes, corner))
        end = {{axis: min(begin[axis] + TILE[axis], sizes[axis]) for axis in axes}}
        tiles = []
        for picture, cuts in zip(pictures, INPUTS):
            for dim, axis, up, down in cuts:
                first = begin[axis] * up // down
                if end[axis] == sizes[axis]:
                    length = picture.shape[dim] - first
                else:
                    length = (end[axis] - begin[axis]) * up // down
                picture = picture.narrow(dim, first, length)
            tiles.append(picture.to(device) if device is not None else picture)

        given = model(*tiles)
        named = given.items() if isinstance(given, dict) else enumerate(
            given if isinstance(given, (tuple, list)) else [given]
        )
        for (name, y), cuts in zip(named, OUTPUTS):
            put(whole, name, y, cuts, begin, sizes, pictures[0].device)

    if isinstance(given, dict):
        return whole
    found = list(whole.values())
    return type(given)(found) if isinstance(given, (tuple, list)) else found[0]


def put(whole, name, y, cuts, begin, sizes, device):
    """Write what is right of a tile's output y into the whole one; later tiles write over what is not."""
    if name not in whole:
        shape = list(y.shape)
        for dim, axis, up, down, first, size in cuts:
            shape[dim] = size + (sizes[axis] - PICTURE[axis]) * up // down if sizes[axis] > TILE[axis] else shape[dim]
        whole[name] = y.new_empty(shape, device=device)

    place = whole[name]
    for dim, axis, up, down, first, size in cuts:
        skipped = first if begin[axis] else 0
        y = y.narrow(dim, skipped, y.shape[dim] - skipped)
        place = place.narrow(dim, begin[axis] * up // down + skipped, y.shape[dim])
    place.copy_(y)
'''


def torch_loop(tiling: Tiling) -> str:
    """The text of a Python file with the function ``tiled(model, *pictures)``.

    Raises :class:`Untileable` where no step is known, and where tiles do not make up the whole picture's shapes.
    """
    unknown = [axis for axis in tiling.starts if tiling.step[axis] is None]
    if unknown:
        nodes = ", ".join(_nodes(tiling))
        raise Untileable(f"no tiles give the outputs along {', '.join(unknown)}: {nodes}")

    if tiling.apart:
        raise Untileable(_no_loop(tiling))

    axes = _axes(tiling)
    claim = EQUAL if tiling.exact else UNEQUAL.format(", ".join(_nodes(tiling)))
    return LOOP.format(
        network=_plain(tiling.network),
        sizes=", ".join(
            f"{axis} = {tiling.picture[axis]} + {tiling.period[axis]}k"
            for axis in tiling.starts
        ),
        claim=claim,
        tile=_by_axis(axes, tiling.tile),
        step=_by_axis(axes, tiling.step),
        period=_by_axis(axes, tiling.period),
        picture=_by_axis(axes, tiling.picture),
        inputs=_inputs(tiling),
        outputs=_outputs(tiling),
    )


def _no_loop(tiling: Tiling) -> str:
    """That tiles do not make up the whole picture's shapes, with the nodes because of which."""
    maps = ", ".join(map(_plain, tiling.apart))
    nodes = ", ".join(_nodes(tiling))
    return f"no loop is written: tiles do not make up the whole picture's shape of {maps}, because of {nodes}"


def _nodes(tiling: Tiling) -> list[str]:
    """The nodes because of which the result is not equal, each once."""
    return list(dict.fromkeys(_plain(one.node) for one in tiling.because))


def _plain(text: str) -> str:
    """A text as it may stand in a docstring.

    >>> _plain('a"b')
    "a'b"
    """
    return printable(text).replace("\\", "/").replace('"', "'")


def _axes(tiling: Tiling) -> dict[str, str]:
    """The axes as the code names them, with their symbols: one that stands for two dims is two axes."""
    found = {}
    for cuts in tiling.inputs:
        for cut in cuts:
            found[_label(cut)] = cut.axis
    return found


def _label(cut: Cut) -> str:
    """The axis of a dim, as the code names it."""
    return cut.axis if cut.place == 0 else f"{cut.axis} ({cut.place + 1})"


def _by_axis(axes: Mapping[str, str], sizes: Mapping[str, int | None]) -> str:
    """A dict's text with these axes."""
    return repr({label: sizes[symbol] for label, symbol in axes.items()})


def _inputs(tiling: Tiling) -> str:
    """The text of INPUTS."""
    rows = [[(cut.dim, _label(cut), *cut.rate) for cut in cuts] for cuts in tiling.inputs]
    return _list(rows)


def _outputs(tiling: Tiling) -> str:
    """The text of OUTPUTS."""
    rows = []
    for cuts in tiling.outputs.values():
        rows.append([(cut.dim, _label(cut), *cut.rate, cut.first, cut.whole) for cut in cuts])
    return _list(rows)


def _list(rows: Sequence[object]) -> str:
    """A list's text, a row on each line."""
    lines = "".join(f"    {row!r},\n" for row in rows)
    return f"[\n{lines}]"
