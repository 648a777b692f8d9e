"""The page of a real study, as a browser shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import optuna
import pytest

from optuna_lfbo.dashboard import DashboardCallback
from optuna_lfbo.helion import tune
from tests.kernels.suite import matmul, pallas, tensors

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

screenshots = pytest.importorskip("docs.screenshots")
pytestmark = pytest.mark.skipif(screenshots.CHROMIUM is None, reason="there is no chromium")

N_TRIALS = 30


def tuned(storage: str) -> optuna.Study:
    """All configurations of a matmul fail in which the loop does not divide."""
    study = None
    while study is None or len(study.trials) < N_TRIALS:
        with DashboardCallback(interval=1.0) as dashboard:
            study = tune(
                pallas(matmul),
                tensors((16, 128), (128, 128)),
                storage=storage,
                n_trials=N_TRIALS,
                seed=0,
                callbacks=[dashboard],
            ).study
    return study


def text_of(page: Page, plot: str) -> str:
    """All text of a plot: titles, names in the legend and ticks."""
    return " ".join(screenshots.locate(page, plot).locator("text").all_text_contents())


def test_note_plots_and_trials_are_on_the_page(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    study = tuned(storage)
    failed = study.get_trials(states=(optuna.trial.TrialState.FAIL,))
    assert len(failed) > 0
    with screenshots.served(storage) as address, screenshots.browser_page() as page:
        errors: list[object] = []
        page.on("pageerror", lambda error: errors.append(error))
        pages = f"{address}/studies/{study._study_id}"

        page.goto(pages)
        screenshots.show_plots(page)
        for plot, texts in {
            "best-over-time": ("Best latency over time", "Time spent tuning [", "Latency [ms]"),
            "best-over-trials": ("Best latency over trials", "Trial number", "default"),
            "outcomes": ("Outcomes over time", "Trials", "compile_error ("),
            "time-spent": ("Where the time went", "Device", "measuring, ok ("),
            "good-probability": ("Probability of a good trial", "Probability", "failed"),
            "best-tenth": ("Best tenth of the trials", "Latency [ms]"),
        }.items():
            shown = text_of(page, plot)
            assert all(text in shown for text in texts), (plot, shown)

        page.goto(f"{pages}/note")
        page.locator("h1", has_text="matmul").wait_for()
        (fence,) = page.locator("pre code").all_text_contents()
        assert fence.startswith("@helion.kernel(config=helion.Config(")
        rows = page.locator("tr").all_inner_texts()
        assert any(re.match(r"compile_error\s+\d+\s+\d+%\s+InvalidConfig", row) for row in rows)
        assert any("float32[16, 128]" in row for row in rows)
        body = page.locator("body").inner_text()
        assert "times as fast as the default with" in body
        assert "The last run ended after" in body

        page.goto(f"{pages}/smartSelection")
        page.get_by_text("latency_ms").first.wait_for()
        headers = " ".join(page.locator("th").all_inner_texts())
        assert "pallas_loop_type" in headers
        cells = page.locator("td")
        cells.get_by_text("Fail", exact=True).first.wait_for()

        page.goto(f"{pages}/trials?numbers={failed[0].number}")
        page.get_by_text(failed[0].user_attrs["error"]).first.wait_for()

        page.goto(f"{pages}/analytics")
        page.get_by_text("EDF for latency_ms").wait_for()
        assert not errors
