"""``tracer.design``: configs that are written for a wish, as the command of that name writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.api.given import Given, network_of
from tracer.designing.asked import Designed, decoder_for, family, refuse_options
from tracer.designing.budget import DecoderBudget
from tracer.designing.decoder import Wish
from tracer.designing.families import DEFAULT_SIZE, FamilyOptions, families
from tracer.designing.nnunet import REFERENCE, NnunetWish, plan
from tracer.diagnostics import shortened
from tracer.loading import load_text
from tracer.net import Net

STYLE = ("classes", "activation", "norm", "up")
OF_FAMILY = ("dims", "depth", "base", "in_channels", "padding", "size", "output_size", *STYLE)
OF_DECODER = (
    "skips",
    "merge",
    "channels",
    "params",
    "macs",
    "convs",
    "aligned",
    "fixed",
    *STYLE,
)
OF_NNUNET = (
    "shape",
    "spacing",
    "memory",
    "batch",
    "dtype",
    "rule",
    "in_channels",
    "classes",
)
MEMORY = 8 * 2**30
"""What training may take where nothing is said, in bytes."""


def design(
    kind: str, encoder: Given | None = None, /, *shapes: Sequence[int], **options: Any
) -> Net:
    """A network of a known family, or an encoder with a decoder behind it, whose every merge closes.

    ``kind`` and the options are those of ``tracer design``, with ``_`` for ``-``:

    - ``design("unet", depth=3, base=32, size=256)``, and other families: ``output_size``, ``dims``, ``padding``,
      ``in_channels``, ``classes``, ``activation``, ``norm``, ``up``
    - ``design("decoder", encoder, classes=5)``: ``encoder`` and shapes are those of :func:`tracer.sizes`; ``skips``,
      ``merge``, ``channels``, ``params``, ``macs``, ``convs``, ``aligned``, ``fixed``
    - ``design("nnunet", shape=(128, 160, 160), spacing=(1, 1, 1))``: ``memory`` in bytes, ``batch``, ``dtype``,
      ``rule``, ``in_channels``, ``classes``

    ``to_yaml()`` is the config. Raises ValueError for a kind and a value that there is not, and where nothing can be
    designed; TypeError for an option that the kind doesn't have.

    >>> design("unet", depth=2, base=8, size={"H": 64, "W": 48}).trace().outputs
    {'logits': (1, 2, 64, 48)}
    """
    if kind == "decoder":
        found = _decoder(encoder, shapes, options)
    elif kind == "nnunet":
        found = _nnunet(options)
    elif kind in families:
        found = _family(kind, options)
    else:
        kinds = ", ".join(["decoder", "nnunet", *families])
        raise ValueError(f"there is no design {shortened(repr(kind), 60)}; designs: {kinds}")
    return load_text(found.text, "<design>", {})


def _family(kind: str, options: Mapping[str, Any]) -> Designed:
    refuse_options(options, OF_FAMILY, kind)
    given = dict(options)
    size, output_size = given.pop("size", None), given.pop("output_size", None)
    if size is not None and output_size is not None:
        raise ValueError("give size or output_size, not both")

    padded = given.pop("padding", "same") == "same"
    wanted = FamilyOptions(**given, padded=padded)
    asked = output_size if size is None else size
    if asked is None:
        asked = DEFAULT_SIZE[wanted.dims]
    sizes = _per_symbol(asked, wanted.symbols)
    return family(kind, wanted, sizes, of_output=output_size is not None)


def _per_symbol(size: Any, symbols: Sequence[str]) -> dict[str, int]:
    """A size for each symbol: one for all, or each by its name."""
    sizes = dict(size) if isinstance(size, Mapping) else dict.fromkeys(symbols, size)
    are_sizes = all(type(n) is int and 1 <= n < 10**9 for n in sizes.values())
    if set(sizes) != set(symbols) or not are_sizes:
        names = ", ".join(symbols)
        raise ValueError(
            f"a size is one number, or one for each of {names}, not {shortened(repr(size), 60)}"
        )
    return {symbol: sizes[symbol] for symbol in symbols}


def _decoder(
    given: Given | None, shapes: Sequence[Sequence[int]], options: Mapping[str, Any]
) -> Designed:
    refuse_options(options, OF_DECODER, "a decoder")
    if given is None:
        raise TypeError('say the encoder: design("decoder", net, ...)')

    wanted = dict(options)
    budget = DecoderBudget(wanted.pop("params", None), wanted.pop("macs", None))
    skips, fixed = wanted.pop("skips", None), wanted.pop("fixed", False)
    channels = tuple(wanted.pop("channels", None) or ())
    if channels and (budget.params or budget.macs):
        raise ValueError("channels say the widths, which a budget would choose")

    wish = Wish(channels=channels, **wanted)
    net = network_of(given, shapes)
    return decoder_for(net, wish, budget, skips, any_size=not fixed)


def _nnunet(options: Mapping[str, Any]) -> Designed:
    refuse_options(options, OF_NNUNET, "nnunet")
    given = dict(options)
    shape, spacing = tuple(given.pop("shape", ())), tuple(given.pop("spacing", ()))
    if len(shape) not in (2, 3) or len(spacing) != len(shape):
        raise ValueError("shape and spacing are those of the images, along 2 or 3 axes both")
    are_sizes = all(type(n) is int and 1 <= n < 10**6 for n in shape)
    if not are_sizes or not all(1e-6 <= gap <= 1e6 for gap in spacing):
        raise ValueError(f"no images have the shape {shape} and the spacing {spacing}")

    batch = given.pop("batch", None) or REFERENCE[len(shape)][1]
    wish = NnunetWish(
        shape=shape,
        spacing=spacing,
        memory=given.pop("memory", MEMORY),
        batch=batch,
        **given,
    )
    found = plan(wish)
    return Designed(found.text, found.told)
