"""Compiling without a launch, and without a device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

triton: Any = pytest.importorskip("triton", reason="Triton is not installed")
import triton.language as tl  # noqa: E402
from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler.compiler import ASTSource, make_backend  # noqa: E402
from triton.runtime.errors import OutOfResources  # noqa: E402

from optuna_lfbo.helion._compat_compile import limit_shared_memory  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOPPER = GPUTarget("cuda", 90, 32)
NEEDED = 16
"""Bytes of shared memory that `sums` needs, to add what four warps have."""


@triton.jit  # type: ignore[untyped-decorator]
def sums(x, y, N: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    tl.store(y, tl.sum(tl.load(x + tl.arange(0, N))))


@pytest.fixture
def assembled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """Names of the kernels that were not found to need too much memory before."""
    names: list[str] = []
    backend: Any = type(make_backend(HOPPER))
    make_ptx = backend.make_ptx

    def noted(self: Any, source: Any, metadata: Any, *args: Any) -> Any:
        ptx = make_ptx(self, source, metadata, *args)
        names.append(metadata["name"])
        return ptx

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(backend, "make_ptx", noted)
    # So that it is the original again afterwards.
    monkeypatch.setattr(backend, "add_stages", backend.add_stages)
    limit_shared_memory.cache_clear()
    yield names
    limit_shared_memory.cache_clear()


def compiled() -> Any:
    signature = {"x": "*fp32", "y": "*fp32", "N": "constexpr"}
    return triton.compile(ASTSource(sums, signature, {"N": 256}), target=HOPPER)


def test_a_kernel_that_needs_too_much_memory_is_not_compiled_to_the_end(
    assembled: list[str],
) -> None:
    limit_shared_memory(HOPPER, NEEDED - 1)
    with pytest.raises(OutOfResources, match=f"Required: {NEEDED}"):
        compiled()
    assert assembled == []


def test_another_one_is(assembled: list[str]) -> None:
    limit_shared_memory(HOPPER, NEEDED)
    limit_shared_memory(HOPPER, NEEDED)
    assert compiled().metadata.shared == NEEDED
    assert assembled == ["sums"]
