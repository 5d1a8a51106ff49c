"""What torch's optimizers keep for each parameter, and what one update makes besides.

Where all parameters are updated at once (``foreach``, torch's choice on a GPU) an update makes copies of them all.
"""

from __future__ import annotations

from typing import NamedTuple


class Optimizer(NamedTuple):
    """Copies of all parameters, in their own type."""

    state: int
    """Kept from one step to the next."""
    temporaries: int
    """Made by an update of all parameters at once, with weight decay, and gone behind it."""


OPTIMIZERS = {
    "sgd": Optimizer(0, 1),
    "sgd-momentum": Optimizer(1, 1),
    "adam": Optimizer(2, 1),
    "adamw": Optimizer(2, 1),
    "adamax": Optimizer(2, 1),
    "nadam": Optimizer(2, 1),
    "radam": Optimizer(2, 1),
    "rmsprop": Optimizer(1, 1),
    "adagrad": Optimizer(1, 2),
    "adadelta": Optimizer(2, 2),
}
"""By the name that ``--optimizer`` takes."""
