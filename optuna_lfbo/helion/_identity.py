"""What a study of kernel latencies is about: a kernel, its arguments and a device."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, TypeAlias

import torch

from optuna_lfbo.helion import _compat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optuna_lfbo.helion._compat import BoundKernel, Kernel

JSON: TypeAlias = bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"] | None

_NAMED_SHAPES = 3
_PACKAGES = ("helion", "torch", "triton", "jax")


@dataclass(frozen=True)
class Identity:
    """What may not change while a study goes on, and the versions, which had better not.

    Attributes:
        language: What the program is written for, "helion", "triton" or "python".
        kernel: The kernel's name.
        source_hash: Of the kernel's source, without decorators and comments, and of the
            settings that change the code generated from it.
        args: For each argument its value, or a tensor's shape, dtype and strides.
        device: The device's name.
        versions: Versions of the packages that generate and run the code.
    """

    language: str
    kernel: str
    source_hash: str
    args: list[JSON]
    device: str
    versions: dict[str, str]

    @property
    def study_name(self) -> str:
        """A readable name that is the same in every process that tunes the same thing."""
        shapes = self.shapes[:_NAMED_SHAPES]
        parts = [self.kernel, *shapes, _slug(self.device), self._digest]
        return "-".join(part for part in parts if part)

    @property
    def shapes(self) -> list[str]:
        """Shapes of the tensors among the arguments, such as "16x128"."""
        return ["x".join(map(str, shape)) for shape in _tensor_shapes(self.args)]

    @property
    def _digest(self) -> str:
        text = json.dumps([self.source_hash, self.args, self.device])
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def identity_of(kernel: Kernel, bound_kernel: BoundKernel, args: Sequence[object]) -> Identity:
    """Describe a Helion kernel bound to ``args``."""
    return make_identity(
        "helion",
        kernel.name,
        [source_of(kernel.fn), _compat.codegen_settings(kernel)],
        args,
        _compat.device_name(bound_kernel.env.device),
    )


def make_identity(
    language: str, name: str, source: JSON, args: Sequence[object], device: str
) -> Identity:
    """Describe a program whose code is ``source``, with ``args``."""
    return Identity(
        language=language,
        kernel=name,
        source_hash=hashlib.sha256(json.dumps(source).encode()).hexdigest(),
        args=[_described(arg) for arg in args],
        device=device,
        versions=_versions(),
    )


def source_of(fn: Callable[..., object]) -> str:
    """Return the source of a function without what does not change what it does.

    Raises:
        OSError: It is not to be found.
        TypeError: ``fn`` is not a function.
    """
    text = textwrap.dedent(inspect.getsource(fn))
    try:
        statement = ast.parse(text).body[0]
    except SyntaxError:  # A lambda comes with the lines around it.
        return text
    if isinstance(statement, ast.FunctionDef):
        # Putting the best configuration into the decorator does not make it another kernel.
        statement.decorator_list = []
    return ast.unparse(statement)


def _described(value: object) -> JSON:
    if isinstance(value, torch.Tensor):
        return {
            "shape": [int(size) for size in value.shape],
            "dtype": str(value.dtype).removeprefix("torch."),
            "stride": [int(stride) for stride in value.stride()],
        }
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_described(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _described(item) for key, item in value.items()}
    if isinstance(value, torch.dtype):
        return str(value)
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _tensor_shapes(args: JSON) -> Iterator[list[int]]:
    """The shapes in the descriptions of arguments, or of several sets of them."""
    if isinstance(args, list):
        for arg in args:
            yield from _tensor_shapes(arg)
    elif isinstance(args, dict) and isinstance(shape := args.get("shape"), list) and shape:
        yield shape


def _versions() -> dict[str, str]:
    installed: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
