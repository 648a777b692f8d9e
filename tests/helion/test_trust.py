"""Measurements that are not believed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution

from optuna_lfbo.callables import callable_objective
from optuna_lfbo.helion._engine import slower
from optuna_lfbo.helion._outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_too_good_is_measured_again(tmp_path: Path) -> None:
    loads = tmp_path / "loads"

    def compile_fn(params: dict[str, Any]) -> Any:
        import time

        state = {"pause": 0.0}

        def usual() -> None:
            time.sleep(0.02)

        def lucky() -> None:
            # Fast the first time that it is loaded, and slow ever after.
            if not state["pause"]:
                state["pause"] = 0.015 if loads.exists() else 0.002
                loads.touch()
            time.sleep(state["pause"])

        return lucky if params["lucky"] else usual

    objective = callable_objective(
        compile_fn,
        (),
        {"lucky": CategoricalDistribution([False, True])},
        seeds=[{"lucky": False}, {"lucky": True}],
    )
    with objective:
        engine: Any = objective._engine
        alone = engine.measure({"lucky": True}, lambda: 20.0)
    assert alone.status == "ok"
    assert alone.latency_ms >= 15.0


def test_of_two_outcomes_the_worse_one_is_believed() -> None:
    fast, slow = Outcome("ok", 1.0, measure_s=1.0), Outcome("ok", 2.0, measure_s=2.0)
    wrong = Outcome("wrong_result", error="off by one")
    assert slower(fast, slow) == slower(slow, fast) == Outcome("ok", 2.0, measure_s=3.0)
    assert slower(fast, wrong).status == "wrong_result"


def test_memory_that_another_configuration_has_left_taken_is_not_its_fault() -> None:
    def compile_fn(params: dict[str, Any]) -> Any:
        import builtins

        def hog() -> None:
            builtins.memory_is_taken = True  # type: ignore[attr-defined]
            raise MemoryError("CUDA out of memory")

        def modest() -> None:
            if hasattr(builtins, "memory_is_taken"):
                raise MemoryError("CUDA out of memory")

        return hog if params["hog"] else modest

    space = {"hog": CategoricalDistribution([False, True])}
    with callable_objective(compile_fn, (), space) as objective:
        engine: Any = objective._engine
        assert engine.measure({"hog": True}).status == "runtime_error"
        assert engine.measure({"hog": False}).status == "ok"
