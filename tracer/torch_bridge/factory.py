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
from tracer.torch_bridge.places import raised


def module_from(source: str, arguments: Mapping[str, Any]) -> torch.nn.Module:
    """Import ``package.module`` and call what stands behind the colon with the arguments; a module is taken as it is.

    The working directory is searched too. Raises :class:`Unrepresentable`, which names what is missing or raised.
    """
    name, _, path = source.partition(":")
    made = _attribute(_imported(name), name, path)
    if isinstance(made, torch.nn.Module):
        if arguments:
            raise Unrepresentable(f"{source} is a module already; it takes no --arg")
        return made
    if not callable(made):
        raise Unrepresentable(
            f"{source} is {type(made).__name__}, neither a torch module nor what makes one"
        )
    try:
        result = made(**arguments)
    except (Exception, SystemExit) as error:
        raise Unrepresentable(raised(source, error)) from error
    if not isinstance(result, torch.nn.Module):
        raise Unrepresentable(f"{source} gives {type(result).__name__}, no torch module")
    return result


def _imported(name: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise Unrepresentable(
                f"there is no Python module {error.name}, here or installed"
            ) from None
        raise Unrepresentable(raised(f"the import of {name}", error)) from error
    except (Exception, SystemExit) as error:
        raise Unrepresentable(raised(f"the import of {name}", error)) from error


def _attribute(found: Any, name: str, path: str) -> Any:
    for part in path.split("."):
        if not hasattr(found, part):
            public = [word for word in dir(found) if not word.startswith("_")]
            hint = did_you_mean(part, public)
            raise Unrepresentable(f"{name} has no {path!r}" + (f"; {hint}" if hint else ""))
        found = getattr(found, part)
    return found
