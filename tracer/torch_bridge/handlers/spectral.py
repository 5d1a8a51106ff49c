"""Fourier transforms, and complex numbers between them."""

from __future__ import annotations

from typing import Any

from tracer.importing.recording import Value
from tracer.torch_bridge.dispatch import Sharing, TorchCall, handles

LINES = {f"fft_{name}": name.capitalize() for name in ("fft", "ifft", "rfft", "irfft")}
PLANES = {f"{name}2": f"{op}2" for name, op in LINES.items()}
SPACES = {f"{name}n": f"{op}n" for name, op in LINES.items()}


@handles(*LINES)
def _line(call: TorchCall) -> Value:
    words = call.bound("input n dim norm", n=None, dim=-1, norm=None)
    arguments: dict[str, Any] = {}
    if words.n is not None:
        (arguments["n"],) = call.sizes(words.n)
    if words.dim != -1:
        arguments["dim"] = words.dim
    return _transformed(call, LINES[call.name], words, arguments)


@handles(*PLANES, *SPACES)
def _transform(call: TorchCall) -> Value:
    words = call.bound("input s dim norm", s=None, dim=None, norm=None)
    arguments: dict[str, Any] = {}
    if words.s is not None:
        arguments["s"] = call.sizes(words.s)
    if words.dim is not None and tuple(words.dim) != (-2, -1):
        arguments["dim"] = tuple(words.dim)
    elif words.dim is not None and call.name in SPACES:
        arguments["dim"] = (-2, -1)
    op_name = {**PLANES, **SPACES}[call.name]
    return _transformed(call, op_name, words, arguments)


def _transformed(call: TorchCall, op_name: str, words: Any, arguments: dict[str, Any]) -> Value:
    if words.norm is not None:
        arguments["norm"] = words.norm
    is_real = op_name.startswith("Ir")
    call.made_dtype = call.dtype.to_real() if is_real else call.dtype.to_complex()
    return call.add(op_name, words.input, **arguments)


@handles("fft_fftshift", "fft_ifftshift")
def _shifted(call: TorchCall) -> Value:
    words = call.bound("input dim", dim=None)
    arguments: dict[str, Any] = {}
    if isinstance(words.dim, (tuple, list)):
        arguments["dim"] = tuple(words.dim)
    elif words.dim is not None:
        arguments["dim"] = words.dim
    return call.add(call.name.removeprefix("fft_").capitalize(), words.input, **arguments)


@handles("complex")
def _complex(call: TorchCall) -> Value:
    words = call.bound("real imag")
    call.made_dtype = call.dtype.to_complex()
    return call.add("Complex", words.real, words.imag)


@handles("view_as_complex", sharing=Sharing.VIEW)
def _as_complex(call: TorchCall) -> Value:
    call.made_dtype = call.dtype.to_complex()
    return call.add("ViewAsComplex", call.x)


@handles("view_as_real", sharing=Sharing.VIEW)
def _as_real(call: TorchCall) -> Value:
    call.made_dtype = call.dtype.to_real()
    return call.add("ViewAsReal", call.x)


@handles("real", "imag", "angle", ".real", ".imag", sharing=Sharing.VIEW)
def _part(call: TorchCall) -> Value:
    function = call.name.removeprefix(".")
    is_complex = call.first.is_complex()
    if function == "real" and not is_complex:
        return call.x
    call.made_dtype = call.dtype.to_real()
    return call.add("ComplexPart", call.x, function=function)


@handles("conj", "conj_physical", "resolve_conj", "resolve_neg", sharing=Sharing.VIEW)
def _conjugated(call: TorchCall) -> Value:
    if not call.first.is_complex() or call.name.startswith("resolve"):
        return call.x
    return call.add("ComplexPart", call.x, function="conj_physical")
