"""Whatever a hostile hand may write into a storage, for hypothesis, and what to do with it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import optuna
import torch
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from optuna_lfbo.helion._callable_program import CallableProgram
from optuna_lfbo.helion._identity import make_identity
from optuna_lfbo.helion._outcome import Outcome
from optuna_lfbo.helion._packing import pack
from optuna_lfbo.helion._space_task import Rules, SpaceTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SPACE = {
    "block": IntDistribution(1, 9),
    "layout": CategoricalDistribution(["row", "column", "tiled"]),
}
CONFIG = {"block": 3, "layout": "row"}

_TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "\x1b[2J\x1b]0;title\x07",
            "<script>alert(1)</script>",
            "[a](javascript:alert(1)) | `b` |\n# c",
            "__import__('os').abort()",
            "cos\nsystem\n(S'exit 3'\ntR.",
            "../../etc/passwd\x00",
            "\ud800",
            "ok" * 20_000,
            "nan",
            "1e999",
        ]
    ),
)
_NUMBERS = st.one_of(
    st.integers(-10, 10),
    st.floats(),
    st.sampled_from([10**30, -(10**400), 2**63, 5e-324, 1.7e308, True]),
)
_SCALARS = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)


def nested(depth: int) -> Any:
    value: Any = 0
    for level in range(depth):
        value = [value] if level % 2 else {"config": value}
    return value


anything: st.SearchStrategy[Any] = st.one_of(
    _SCALARS,
    st.recursive(
        _SCALARS,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4), st.dictionaries(_TEXTS, inner, max_size=4)
        ),
        max_leaves=8,
    ),
    st.sampled_from([nested(300), ["x"] * 20_000]),
)
"""Any JSON, and what Python's JSON has beyond it: NaN, infinities and long integers."""


def nearly(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A record like the real one, but in some of its fields; or anything else."""
    spoilt = {name: st.one_of(field, field, anything) for name, field in fields.items()}
    return st.one_of(
        st.fixed_dictionaries({}, optional=spoilt), st.fixed_dictionaries(spoilt), anything
    )


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


configs = st.one_of(
    st.just(CONFIG), nearly(block=st.integers(0, 10), layout=one_of("row", "tiled", "none"))
)
kernel_configs = nearly(
    block_sizes=st.lists(st.sampled_from([1, 2, 16, 3, -4]), max_size=2),
    num_warps=st.integers(0, 8),
    loop_orders=st.lists(st.lists(st.integers(0, 2), max_size=2), max_size=2),
    pid_type=one_of("flat", "round"),
)


def user_attributes_of(configs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return nearly(
        config=configs,
        status=one_of("ok", "duplicate", "compile_error", "rejected", "benchmark_timeout"),
        error=one_of("one line"),
        first_look=st.booleans(),
        latencies_ms=st.lists(st.floats(), max_size=3),
        compile_s=st.floats(0, 9),
        measure_s=st.floats(0, 9),
        device=one_of("cpu"),
        worker=one_of("host:1:abcd", "host:1"),
        attempt=st.integers(0, 4),
    )


user_attributes = user_attributes_of(configs)
parameters = nearly(block=st.integers(0, 10), layout=one_of("row", "tiled", "none"))
system_attributes = st.fixed_dictionaries(
    {}, optional={"lfbo:relative_params": parameters, "fixed_params": parameters}
)


def finals_of(configs: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    entries = nearly(
        config=configs,
        latency_ms=st.floats(0.1, 9),
        spread_ms=st.floats(0, 1),
        is_default=st.booleans(),
    )
    return st.one_of(anything, st.lists(entries, max_size=3))


finals = finals_of(configs)
members = nearly(
    host=one_of("elsewhere"),
    machine=one_of("elsewhere"),
    pid=st.integers(1, 99),
    born=st.integers(0, 99),
    session=st.floats(0, 2e9),
    since=st.integers(0, 99),
    stage=one_of("running", "ending", "done", "compared", "left"),
    beat=st.floats(0, 2e9),
)


@st.composite
def trials(
    draw: st.DrawFn,
    *states: TrialState,
    attributes: st.SearchStrategy[Any] = user_attributes,
    params: Sequence[Mapping[str, Any]] = ({}, {"block": 3}, CONFIG, {"layout": "tiled"}),
) -> FrozenTrial:
    """A trial that the storage takes, with anything in its attributes."""
    user_attrs = draw(attributes)
    state = draw(st.sampled_from(states or list(TrialState)))
    complete = state == TrialState.COMPLETE
    named = dict(draw(st.sampled_from(params)))
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=draw(st.floats(allow_nan=False)) if complete else None,
        datetime_start=datetime.now(),
        datetime_complete=datetime.now() if state.is_finished() else None,
        params=named,
        distributions={name: SPACE[name] for name in named},
        user_attrs=stored(user_attrs if isinstance(user_attrs, dict) else {"config": user_attrs}),
        system_attrs=stored(draw(system_attributes)),
        intermediate_values={},
    )


def stored(attributes: Any) -> Any:
    """What comes back from a storage."""
    return json.loads(json.dumps(attributes))


def study_of(
    hostile: Sequence[FrozenTrial] = (), attributes: Mapping[str, Any] | None = None
) -> optuna.Study:
    study = optuna.create_study()
    for trial in hostile:
        study._storage.create_new_trial(study._study_id, trial)
    for name, value in (attributes or {}).items():
        study.set_user_attr(name, stored(value))
    return study


class Here:
    """Measures in this process what takes as many milliseconds as its block."""

    n_compilers = 1
    busy_s = 0.0
    unit = "ms"
    unit_ms = 1.0

    def measure(
        self, config: Mapping[str, Any], best_ms: Callable[[], float | None] = lambda: None
    ) -> Outcome:
        best_ms()
        return Outcome("ok", _milliseconds(config))

    def retime(
        self, configs: Sequence[Mapping[str, Any]], rounds: int, repeat: int
    ) -> list[list[float]]:
        return [[_milliseconds(config)] * rounds for config in configs]

    def code(self, config: Mapping[str, Any]) -> None:
        """There is none."""

    def close(self) -> None:
        """There is nothing to end."""


def _milliseconds(config: Mapping[str, Any]) -> float:
    return float(config["block"] if "block" in config else len(str(config)))


class HereTask(SpaceTask):
    """A task whose engine needs no other process."""

    def engine(self, n_compilers: int | None = None) -> Here:
        return Here()


def task() -> HereTask:
    rules = Rules(None, True, None, None, 0.0, 1.0, 1.0)
    identity = make_identity("python", "program", "source", [torch.zeros(1)], "cpu")
    return HereTask(identity, CallableProgram(pack(len)), (), SPACE, [CONFIG], rules)
