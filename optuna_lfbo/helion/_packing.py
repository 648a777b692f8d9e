"""Functions on their way to another process: by value, and with their source.

Compilers read a kernel's source. It may stand in a script, a notebook or another function, where
the other process could not find it.
"""

from __future__ import annotations

import io
import linecache
import re
import sys
from collections import ChainMap
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Reduced: TypeAlias = tuple[Callable[..., CodeType], tuple[Any, ...]]

MODULE_PREFIX: Final = "_lfbo_module_of_"
"""Of the names of modules that stand for those where kernels come from."""


def _reduce(code: CodeType) -> Reduced:
    constructor, args = cloudpickle.Pickler.dispatch_table[CodeType](code)
    # All code of a file shares one list, which is written once.
    lines = linecache.getlines(code.co_filename)
    return _rebuild, (constructor, args, code.co_filename, lines)


def _rebuild(
    constructor: Callable[..., CodeType],
    args: tuple[Any, ...],
    filename: str,
    lines: Sequence[str],
) -> CodeType:
    if lines and not linecache.getlines(filename):
        linecache.cache[filename] = (sum(map(len, lines)), None, list(lines), filename)
    # Since release 3.1.3 cloudpickle does not say where code comes from.
    return constructor(*args).replace(co_filename=filename)


class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Cloudpickle, but the source of the functions is to be found where they arrive."""

    dispatch_table: ClassVar[Any] = ChainMap(
        {CodeType: _reduce}, cloudpickle.Pickler.dispatch_table
    )


class _Namespace(dict[str, Any]):
    """The global names of functions, which are those of a module where they arrive."""

    def __reduce__(self) -> tuple[Callable[..., dict[str, Any]], tuple[dict[str, Any]]]:
        return _namespace, (dict(self),)


def _namespace(names: dict[str, Any]) -> dict[str, Any]:
    original = names.get("__name__", "").removeprefix(MODULE_PREFIX)
    # The name of a submodule could not be imported without its packages.
    name = MODULE_PREFIX + re.sub(r"\W", "_", original)
    module = sys.modules.setdefault(name, ModuleType(name))
    module.__dict__.update(names, __name__=name)
    return module.__dict__


class KernelPickler(Pickler):
    """The same for kernels, whose global names Helion and its code look up in a module."""

    def _function_getnewargs(self, func: Any) -> Any:
        self.globals_ref.setdefault(id(func.__globals__), _Namespace())
        return super()._function_getnewargs(func)


def pack(value: object, pickler: type[Pickler] = Pickler) -> bytes:
    """Serialize ``value`` with `Pickler`, or a kind of it."""
    buffer = io.BytesIO()
    pickler(buffer).dump(value)
    return buffer.getvalue()


def unpack(packed: bytes) -> Any:
    """Return what `pack` was given, in this program or another process of it."""
    return cloudpickle.loads(packed)
