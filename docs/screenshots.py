"""Make the pictures of optuna-dashboard that the README and the docs show.

    python -m docs.screenshots
    python -m docs.screenshots --storage sqlite:///tuning.db --study matmul-4096x4096-h200

The first tunes a small matmul on the CPU before, which takes a few minutes; the second shows
a study that is there. Needs Chromium, and the packages of the extra ``test``.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
import optuna_dashboard
from playwright.sync_api import sync_playwright

from optuna_lfbo.dashboard import DashboardCallback, refresh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Locator, Page

IMAGES = Path(__file__).parent / "images"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PLOTS = (
    "best-over-time",
    "best-over-trials",
    "outcomes",
    "time-spent",
    "good-probability",
    "best-tenth",
)
_OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SIZE: Any = {"width": 1280, "height": 1000}
_MARGIN = 16.0
_SETTLE_MS = 1500.0
_TIMEOUT_MS = 120_000.0


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(storage: str) -> Iterator[str]:
    """Serve optuna-dashboard on a free port; gives the address of its first page."""
    app = optuna_dashboard.wsgi(storage)
    with make_server(
        "127.0.0.1", 0, app, server_class=_Server, handler_class=_QuietHandler
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/dashboard"
        finally:
            server.shutdown()


@contextmanager
def browser_page() -> Iterator[Page]:
    """Start Chromium without a window; gives an empty page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_OPTIONS])
        try:
            page = browser.new_page(viewport=_SIZE)
            page.set_default_timeout(_TIMEOUT_MS)
            yield page
        finally:
            browser.close()


def take(study: optuna.Study, storage: str, folder: Path) -> None:
    """Take the pictures of a study's pages."""
    folder.mkdir(parents=True, exist_ok=True)
    with served(storage) as address, browser_page() as page:
        pages = f"{address}/studies/{study._study_id}"
        page.goto(pages)
        show_plots(page)
        page.screenshot(
            path=folder / "dashboard_plots.png", clip=_around_plots(page), full_page=True
        )
        for name in ("note", "analytics"):
            page.goto(f"{pages}/{name}")
            page.wait_for_timeout(_SETTLE_MS)
            page.screenshot(path=folder / f"dashboard_{name}.png")
        failed = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.FAIL,))
        page.goto(f"{pages}/trials?numbers={failed[0].number if failed else 0}")
        page.wait_for_timeout(_SETTLE_MS)
        page.screenshot(path=folder / "dashboard_trial.png")


def locate(page: Page, plot: str) -> Locator:
    """The element of the page that holds one of the plots."""
    return page.locator(f'[id="user-defined-plot:lfbo-{plot}"]')


def show_plots(page: Page) -> None:
    """Wait until the plots of this package are drawn."""
    for plot in PLOTS:
        locate(page, plot).locator(".main-svg").first.wait_for()
    page.wait_for_timeout(_SETTLE_MS)


def _around_plots(page: Page) -> Any:
    """The part of the page that the plots take."""
    boxes = [box for plot in PLOTS if (box := locate(page, plot).bounding_box())]
    left, top = (min(box[side] for box in boxes) - _MARGIN for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes) + _MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + _MARGIN
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def tuned_study(storage: str) -> optuna.Study:
    """Tune a matmul on the CPU, through the interpreter of Helion's Pallas backend."""
    import torch

    from examples.tune_helion_kernel import matmul
    from optuna_lfbo.helion import tune

    args = torch.randn(64, 128), torch.randn(128, 256)
    with DashboardCallback() as dashboard:
        result = tune(
            matmul,
            args,
            storage=storage,
            n_trials=150,
            seed=0,
            callbacks=[dashboard],
            show_progress_bar=True,
        )
    return result.study


def main(argv: Sequence[str] | None = None) -> None:
    """Take the pictures of the study that the command line names, or of a new one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--storage", help="of the study to show")
    parser.add_argument("--study", help="its name; without one, the first of the storage")
    parser.add_argument("--folder", type=Path, default=IMAGES, help="%(default)s")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        storage = options.storage or f"sqlite:///{folder}/tuning.db"
        if options.storage is None:
            study = tuned_study(storage)
        else:
            names = optuna.get_all_study_names(storage)
            study = optuna.load_study(study_name=options.study or names[0], storage=storage)
            refresh(study)
        take(study, storage, options.folder)


# The processes that compile and measure import this file again.
if __name__ == "__main__":
    main()
