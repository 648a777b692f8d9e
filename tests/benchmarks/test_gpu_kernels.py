from __future__ import annotations

import pytest
import torch

from benchmarks.gpu.__main__ import KERNELS
from benchmarks.gpu.kernels import DEVICE
from benchmarks.gpu.problems import PROBLEMS


def test_the_command_line_knows_every_kernel() -> None:
    assert sorted(KERNELS) == sorted(PROBLEMS)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_kernel_computes_what_its_reference_does(name: str) -> None:
    problem = PROBLEMS[name]
    args = problem.args()
    bound = problem.kernel.bind(args)
    result = bound.compile_config(bound.config_spec.default_config())(*args)
    assert problem.relative_error(result, args) < (1e-5 if DEVICE == "cpu" else 1e-2)


def test_args_are_the_same_in_every_process() -> None:
    for first, second in zip(*[PROBLEMS["cross_entropy"].args() for _ in range(2)], strict=True):
        assert torch.equal(first, second)


def test_a_result_that_is_not_a_number_is_never_close() -> None:
    problem = PROBLEMS["softmax"]
    args = problem.args()
    right = problem.reference(*args)
    assert problem.relative_error(right, args) == pytest.approx(0, abs=1e-2)
    assert problem.relative_error(right * 1.5, args) == pytest.approx(0.5, abs=1e-2)
    assert not problem.relative_error(right * torch.nan, args) <= 1e9
