"""GPUs that are not there: what Helion asks of its device, answered for it.

Which keys and values a search space has depends on the device. None is needed to build one,
only the answers of Helion's few questions about it.
"""

from __future__ import annotations

import contextlib
import sys
import types
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import helion
from helion._hardware import HardwareInfo
from helion.autotuner.config_spec import VALID_KEYS
from helion.language import loops

from optuna_lfbo.helion._compat_worker import fake_mode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.kernels.case import Case


HELION_1_4 = "cross_loop_pipeline" not in VALID_KEYS


@dataclass(frozen=True)
class Platform:
    """A Helion backend on a device.

    Attributes:
        settings: For ``helion.kernel``.
        answers: What Helion's functions of these names return, wherever they are used; empty
            for the CPU.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)

    @contextlib.contextmanager
    def simulated(self) -> Iterator[None]:
        """Let Helion believe in the device, while kernels are bound and while they are used."""
        with contextlib.ExitStack() as stack:
            for name, answer in self.answers.items():
                _answer(stack, name, answer)
            if self.answers:
                stack.enter_context(_with_the_loops_of_triton())
            yield

    def kernel(self, case: Case, **settings: Any) -> helion.Kernel:
        return helion.kernel(case.fn, static_shapes=True, **{**self.settings, **settings})

    def bind(self, case: Case, **settings: Any) -> Any:
        """Bind the kernel to arguments on the device, within :meth:`simulated`."""
        if not self.answers:
            return self.kernel(case, **settings).bind(case.make_args("cpu"))
        with fake_mode():
            args = case.make_args("cuda:0")
        return self.kernel(case, **settings).bind(args)


def _gpu(kind: str, name: str, capability: str, **answers: Any) -> Platform:
    hardware = HardwareInfo(kind, name, "1", capability)
    n_units = 132 if kind == "cuda" else 304
    counts = dict.fromkeys(("device_num_sm", "get_num_sm", "num_compute_units"), n_units)
    answers = {
        "get_hardware_info": hardware,
        # Asked of the device's driver where Triton is installed.
        "_min_dot_size": (16, 16, 16),
        "_regs_per_block": 65536,
        "supports_block_ptr": True,
        **counts,
        **answers,
    }
    return Platform(answers=answers)


def _nvidia(name: str, major: int) -> Platform:
    return _gpu(
        "cuda",
        name,
        f"sm{major}0",
        target_device_capability=(major, 0),
        _supports_warp_specialize=major >= 10,
        supports_host_tensor_descriptor=True,
        supports_maxnreg=True,
        supports_tensor_descriptor=True,
    )


PLATFORMS = {
    "triton-cpu": Platform(),
    "triton-hopper": _nvidia("NVIDIA H100", 9),
    "triton-blackwell": _nvidia("NVIDIA B200", 10),
    "triton-mi300": _gpu(
        "rocm",
        "gfx942",
        "gfx942",
        _supports_warp_specialize=False,
        is_hip=True,
        supports_amd_cdna_tunables=True,
        get_num_xcd=8,
        target_device_capability=(9, 4),
    ),
    "pallas-tpu": Platform({"backend": "pallas"}),
    "pallas": Platform({"backend": "pallas", "pallas_interpret": True}),
}


def _answer(stack: contextlib.ExitStack, name: str, answer: object) -> None:
    # Most modules have imported the function by its name.
    holders = [
        module
        for module_name, module in list(sys.modules.items())
        if module_name.split(".")[0] == "helion" and callable(vars(module).get(name))
    ]
    for module in holders:
        stack.enter_context(mock.patch.object(module, name, return_value=answer))


@contextlib.contextmanager
def _with_the_loops_of_triton() -> Iterator[None]:
    """Helion reads off ``triton.language.range`` which properties of loops can be tuned."""
    original = loops._add_config_range_choice
    triton, language = types.ModuleType("triton"), types.ModuleType("triton.language")
    triton.language, language.range = language, _TritonRange  # type: ignore[attr-defined]

    def with_triton(*args: Any, **kwargs: Any) -> None:
        with (
            mock.patch("helion._utils.triton_is_available", return_value=True),
            mock.patch.dict(sys.modules, {"triton": triton, "triton.language": language}),
        ):
            original(*args, **kwargs)

    with mock.patch.object(loops, "_add_config_range_choice", with_triton):
        yield


class _TritonRange:
    def __init__(
        self,
        start: int,
        end: int,
        num_stages: int | None = None,
        loop_unroll_factor: int | None = None,
        disallow_acc_multi_buffer: bool = False,
        flatten: bool = False,
        warp_specialize: bool = False,
    ) -> None: ...
