"""The module that ``package.module:callable`` makes. The only place that runs code which a user names."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch

from tracer.importing.recording import Unrepresentable
from tracer.network.values import did_you_mean
from tracer.torch_bridge.places import users_code


def module_from(source: str, arguments: Mapping[str, Any]) -> torch.nn.Module:
    """Import ``package.module`` and call what stands behind the colon with the arguments; a module is taken as it is.

    The working directory is searched too. Raises :class:`Unrepresentable`, which names what is missing or raised.
    """
    name, _, path = source.partition(":")
    with users_code(source):
        made = _attribute(_imported(name), name, path)
        if isinstance(made, torch.nn.Module):
            if arguments:
                raise Unrepresentable(f"{source} is a module already; it takes no --arg")
            return _whole(made)
        if not callable(made):
            raise Unrepresentable(
                f"{source} is {type(made).__name__}, neither a torch module nor what makes one"
            )
        result = made(**arguments)
        if not isinstance(result, torch.nn.Module):
            raise Unrepresentable(f"{source} gives {type(result).__name__}, no torch module")
        return _whole(result)


def _whole(module: torch.nn.Module) -> torch.nn.Module:
    """The module, every part of which went through the constructor of torch."""
    for part in module.modules():
        if "_modules" not in vars(part):
            name = type(part).__name__
            raise Unrepresentable(
                f"{name} is no whole module: its __init__ calls no super().__init__()"
            )
    return module


def _imported(name: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with users_code(f"the import of {name}"):
            return importlib.import_module(name)
    except Unrepresentable as error:
        cause = error.__cause__
        missing = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if missing is not None and f"{name}.".startswith(f"{missing}."):
            raise Unrepresentable(
                f"there is no Python module {missing}, here or installed"
            ) from None
        raise


def _attribute(found: Any, name: str, path: str) -> Any:
    for part in path.split("."):
        if not hasattr(found, part):
            public = [word for word in dir(found) if not word.startswith("_")]
            hint = did_you_mean(part, public)
            raise Unrepresentable(f"{name} has no {path!r}" + (f"; {hint}" if hint else ""))
        found = getattr(found, part)
    return found
