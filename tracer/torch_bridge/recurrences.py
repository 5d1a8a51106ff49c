"""Recurrent layers without data: torch runs every step of a sequence on the meta device, although one says it all."""

from __future__ import annotations

from typing import Any

from torch.overrides import TorchFunctionMode

NAMES = ("lstm", "gru", "rnn_tanh", "rnn_relu")
"""torch's functions of a whole sequence, the results of which begin with the map of all steps."""

ARGUMENTS = 9
"""Their arguments where the sequence is one tensor; ``batch_first`` is the last."""


class OneStep(TorchFunctionMode):
    """While it lasts, recurrent layers run the first step alone, and the others have its shape.

    >>> layer = torch.nn.GRU(3, 5, device="meta")
    >>> with OneStep():
    ...     layer(torch.empty(1000, 2, 3, device="meta"))[0].shape
    torch.Size([1000, 2, 5])
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        is_sequence = getattr(func, "__name__", "") in NAMES and len(args) == ARGUMENTS
        if not is_sequence or not isinstance(args[-1], bool):
            return func(*args, **(kwargs or {}))

        sequence, *others = args
        dim = 1 if args[-1] else 0
        steps = sequence.shape[dim]
        if not sequence.is_meta or steps < 2:
            return func(*args, **(kwargs or {}))

        first, *states = func(sequence.narrow(dim, 0, 1), *others)
        shape = list(first.shape)
        shape[dim] = steps
        return first.new_empty(shape), *states
