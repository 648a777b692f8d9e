"""Whatever a function makes of parameters, as something to tune."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion._packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class CallableBuilt:
    """One configuration; its function itself, or all that is needed to make it again."""

    program: CallableProgram
    config: Mapping[str, object]
    packed: bytes | None

    @property
    def source(self) -> str:
        """The parameters, as nothing else is known to tell programs apart by."""
        return json.dumps(self.config, sort_keys=True)

    def load(self) -> Callable[..., object]:
        """Return the function to call with the arguments."""
        if self.packed is None:
            return self.program.function(self.config)
        fn: Callable[..., object] = unpack(self.packed)
        return fn

    def unload(self, fn: Callable[..., object]) -> None:
        """Nothing is known to belong to ``fn``."""


@dataclass(frozen=True)
class CallableProgram:
    """A function that makes functions of parameters.

    Attributes:
        compile_fn: The function, packed.
    """

    compile_fn: bytes

    def on(self, args: Sequence[object]) -> CallableProgram:
        """Return the same program for arguments that have been moved."""
        return self

    def prepare(self) -> None:
        """Import what the function needs."""
        _unpacked(self.compile_fn)

    def build(self, config: Mapping[str, object]) -> CallableBuilt:
        """Make the function of ``config``."""
        fn = self.function(config)
        return CallableBuilt(self, config, _packed(fn))

    def function(self, config: Mapping[str, object]) -> Callable[..., object]:
        """Call the function that makes functions.

        Raises:
            TypeError: It returns something else.
        """
        fn: Any = _unpacked(self.compile_fn)(dict(config))
        if not callable(fn):
            raise TypeError(f"compile_fn must return something to call, it returned {fn!r}")
        made: Callable[..., object] = fn
        return made


@functools.lru_cache(maxsize=4)
def _unpacked(compile_fn: bytes) -> Any:
    return unpack(compile_fn)


def _packed(fn: Callable[..., object]) -> bytes | None:
    """``fn`` to be sent to another process, or None if it has to be made there again."""
    try:
        return pack(fn)
    except Exception:  # Whatever the classes of the objects in it raise.
        return None
