"""What shows a study to people takes a hostile one, and says nothing to their terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reliability import hostile
from tests.reliability.watch import nothing_but

if TYPE_CHECKING:
    from pathlib import Path

studies = st.builds(
    hostile.study_of,
    st.lists(hostile.trials(), max_size=4),
    st.dictionaries(
        st.sampled_from(
            [
                "kernel",
                "args",
                "device",
                "versions",
                "final",
                "language",
                "default_latency_ms",
                "tuning",
            ]
        ),
        st.one_of(hostile.anything, hostile.finals),
        max_size=4,
    ),
)


PLAIN = optuna.create_study()
PLAIN.optimize(lambda trial: trial.suggest_int("block", 1, 9), n_trials=20)


@given(studies)
@settings(max_examples=200)
def test_the_note(study: optuna.Study) -> None:
    note = pytest.importorskip("optuna_lfbo._note")
    with nothing_but():
        text = note.markdown_note(study)
    assert text.replace("\n", "").isprintable()
    assert len(text) < 50_000


@pytest.mark.parametrize(
    "name", ["best_so_far", "outcomes", "time_spent", "good_probability", "best_tenth"]
)
@given(study=studies)
@settings(max_examples=25)
def test_the_plots(name: str, study: optuna.Study) -> None:
    plot = getattr(pytest.importorskip("optuna_lfbo.visualization"), f"plot_{name}")
    plot(PLAIN).to_json()  # Libraries make some of their classes when they are first used.
    with nothing_but(ValueError):
        plot(study).to_json()


@given(study=studies)
@settings(max_examples=25)
def test_the_dashboard(study: optuna.Study) -> None:
    refresh = pytest.importorskip("optuna_lfbo.dashboard").refresh
    refresh(PLAIN)
    with nothing_but():
        refresh(study)


@pytest.mark.parametrize("words", [["show"], ["export"], ["export", "--format", "code"]])
def test_the_command_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli: Any = pytest.importorskip("optuna_lfbo.cli")
    url = f"sqlite:///{tmp_path}/study.db"
    storage = optuna.storages.get_storage(url)

    def run(study: optuna.Study) -> int:
        optuna.copy_study(
            from_study_name=study.study_name, from_storage=study._storage, to_storage=storage
        )
        return int(cli.main([*words, study.study_name, "--storage", url]))

    @given(study=studies)
    @settings(max_examples=25)
    def check(study: optuna.Study) -> None:
        with nothing_but():
            code = run(study)
        shown = capsys.readouterr()
        assert code in (0, 1)
        assert (shown.out + shown.err).replace("\n", "").isprintable()

    run(PLAIN)
    check()
