"""The Markdown note of a study."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from optuna.trial import TrialState, create_trial

from optuna_lfbo._note import markdown_note

ENCLOSED = {
    "heading",
    "paragraph",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "inline",
    "fence",
    "code_inline",
    "strong",
    "text",
    "softbreak",
}
HOSTILE = st.text() | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "a | b \\| c \\\\| d",
        "`` ` ```\n# title",
        "\x1b[31mred\x1b[0m\r\u202e",
        "![x](https://example.org/y.png) www.example.org",
        "$$x$$ &lt; ~~a~~ **b**",
        "| --- |\n|\n\n```python\n",
        "\\",
        "`",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=8,
)
# Each attribute is what tuning writes, or nearly so, or something else altogether.
STUDY_ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["helion", "triton", "python"]) | JSON,
        "kernel": HOSTILE | JSON,
        "args": st.lists(
            st.fixed_dictionaries({"shape": JSON, "dtype": JSON}, optional={"stride": JSON})
        )
        | JSON,
        "device": HOSTILE | JSON,
        "versions": st.dictionaries(HOSTILE, HOSTILE) | JSON,
        "default_latency_ms": st.floats() | JSON,
        "final": st.lists(
            st.fixed_dictionaries(
                {
                    "config": st.dictionaries(HOSTILE, JSON) | JSON,
                    "latency_ms": st.floats() | st.integers() | JSON,
                    "spread_ms": st.floats() | JSON,
                    "is_default": st.booleans() | JSON,
                }
            )
        )
        | JSON,
        "tuning": st.fixed_dictionaries(
            {"stop_reason": HOSTILE, "wall_s": JSON, "device_busy_share": JSON}
        )
        | JSON,
    },
)
TRIAL_ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "config": st.dictionaries(HOSTILE, JSON) | JSON,
        "status": st.sampled_from(["ok", "compile_error", "duplicate"]) | JSON,
        "error": HOSTILE | JSON,
        "first_look": JSON,
    },
)


def tokens_of(markdown: str) -> list[Any]:
    parser = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(
        ["table", "strikethrough"]
    )
    tokens = parser.parse(markdown)
    return [t for token in tokens for t in (token, *(token.children or ()))]


def structure_of(markdown: str) -> list[str]:
    return [token.type for token in tokens_of(markdown)]


@settings(max_examples=150)
@given(
    name=HOSTILE.filter(bool),
    attributes=STUDY_ATTRIBUTES,
    trials=st.lists(
        st.tuples(TRIAL_ATTRIBUTES, st.none() | st.floats(allow_nan=False)), max_size=4
    ),
    metric=st.none() | st.just("latency_ms") | HOSTILE,
)
def test_whatever_a_storage_holds_is_text(
    name: str,
    attributes: dict[str, Any],
    trials: list[tuple[dict[str, Any], float | None]],
    metric: str | None,
) -> None:
    study = optuna.create_study(study_name=name)
    if metric is not None:
        study._storage.set_study_system_attr(study._study_id, "study:metric_names", [metric])
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    for user_attrs, value in trials:
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.add_trial(create_trial(state=state, value=value, user_attrs=user_attrs))
    note = markdown_note(study)
    assert all(line.isprintable() for line in note.splitlines())
    found = {kind.removesuffix("_open").removesuffix("_close") for kind in structure_of(note)}
    assert found <= ENCLOSED
    for token in tokens_of(note):
        # What is in a storage is nowhere but in code.
        if token.type == "text":
            assert not set(token.content) & set("<>`\\$[]~|"), token.content
    n_rows = structure_of(note).count("tr_open")
    n_lines = sum(line.startswith("| ") for line in note.splitlines())
    n_tables = structure_of(note).count("table_open")
    assert n_rows == n_lines - n_tables  # The line under a table's header is no row.


def kernel_study(**attributes: Any) -> optuna.Study:
    study = optuna.create_study(study_name="matmul-16x32")
    study.set_metric_names(["latency_ms"])
    known: dict[str, Any] = {
        "language": "helion",
        "kernel": "matmul",
        "args": [
            {"shape": [16, 32], "dtype": "float32", "stride": [32, 1]},
            {"shape": [32, 8], "dtype": "float32", "stride": [1, 32]},
            2.5,
        ],
        "device": "NVIDIA H200",
        "versions": {"helion": "1.5.1", "torch": "2.13.0"},
        "default_latency_ms": 0.5,
    }
    for key, value in (known | attributes).items():
        study.set_user_attr(key, value)
    return study


def add(study: optuna.Study, status: str, value: float | None = None, **more: Any) -> None:
    state = TrialState.FAIL if value is None else TrialState.COMPLETE
    attributes = {"status": status, **more}
    study.add_trial(create_trial(state=state, value=value, user_attrs=attributes))


def test_a_kernel_author_finds_what_to_know() -> None:
    study = kernel_study()
    add(study, "ok", 0.5, config={"block_sizes": [16, 16]})
    add(study, "ok", 0.2, config={"block_sizes": [32, 64], "pid_type": "flat"})
    add(study, "ok", 0.1, config={"block_sizes": [8, 8]}, first_look=True)
    add(study, "compile_error", error="out of registers")
    add(study, "compile_error", error="out of registers")
    add(study, "compile_error", error="something rare")
    note = markdown_note(study)
    assert note.startswith("# `matmul`\n")
    for line in (
        "| Study | `matmul-16x32` |",
        "| Arguments | `float32[16, 32]`, `float32[32, 8] strides [1, 32]`, `2.5` |",
        "| Device | `NVIDIA H200` |",
        "| Versions | `helion 1.5.1`, `torch 2.13.0` |",
        "**0.2 ms** (single measurement), **2.5 times** as fast as the default with 0.5 ms:",
        "@helion.kernel(config=helion.Config(block_sizes=[32, 64], pid_type='flat'))",
        "| `ok` | 3 | 50% |  |",
        "| `compile_error` | 3 | 50% | `out of registers` |",
    ):
        assert line in note.splitlines()


def test_the_final_comparison_decides() -> None:
    finalist = {"config": {"num_warps": 4}, "latency_ms": 0.25, "spread_ms": 0.01}
    tuning = {"stop_reason": "timeout", "wall_s": 61.2, "device_busy_share": 0.873}
    study = kernel_study(final=[finalist | {"is_default": False}], tuning=tuning)
    add(study, "ok", 0.1, config={"num_warps": 8})
    note = markdown_note(study)
    assert "**0.25 ms** (final comparison), **2 times** as fast" in note
    assert "The last run ended after 61 s: `timeout`; the device measured 87% of the time." in note


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("triton", "triton.Config({'BLOCK': 64}, num_warps=4)"),
        ("python", "{'BLOCK': 64, 'num_warps': 4}"),
    ],
)
def test_the_code_is_in_the_language_of_the_kernel(language: str, line: str) -> None:
    study = kernel_study(language=language)
    add(study, "ok", 0.5, config={"BLOCK": 64, "num_warps": 4})
    assert line in markdown_note(study).splitlines()


def test_any_study_has_a_note() -> None:
    study = optuna.create_study(study_name="svm", direction="maximize")
    assert "No trial has succeeded yet." in markdown_note(study)
    for x in (0.25, 0.75, 0.5):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("x", x, x))
    study.tell(study.ask(), state=TrialState.PRUNED)
    note = markdown_note(study)
    assert "`Objective value` = **0.75** (trial 1):" in note
    assert "| `x` | `0.75` |" in note
    assert "| `pruned` | 1 | 25% |  |" in note


def test_a_study_of_several_objectives_has_no_best() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.add_trial(create_trial(values=[1.0, 2.0]))
    assert "2 objectives" in markdown_note(study)
