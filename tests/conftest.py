"""Test settings."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

import optuna
import pytest
from hypothesis import HealthCheck, Phase, settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer

optuna.logging.set_verbosity(optuna.logging.ERROR)
# The same examples in every run; a failing one is shown as found, since each costs forests.
settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")
# A shell lets what it starts in the background ignore this signal.
signal.signal(signal.SIGINT, signal.default_int_handler)

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # Pallas's interpreter compiles anew with every call, which takes half of its time.
    COMPILED = tempfile.TemporaryDirectory(prefix="optuna_lfbo-jax-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = COMPILED.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

LONG = ("test_docs.py", "test_examples.py", "test_dashboard_page.py")
TOGETHER = (
    # Their workers wait for one another, and their servers for the disk.
    "tests/reliability/test_disk.py",
    "tests/reliability/test_signals.py",
    "tests/reliability/test_storms.py",
)
SHARING = "tests/helion/test_coverage.py"
"""What its tests share takes long to make."""
BY_PARAMETERS = "tests/helion/test_every_kernel.py"


@pytest.fixture(autouse=True, scope="session")
def brief_comparison() -> Iterator[None]:
    """Interpreted kernels are slow enough to spend many seconds of a final comparison."""
    with pytest.MonkeyPatch.context() as patch:
        if "optuna_lfbo.helion._final" in sys.modules:
            patch.setattr("optuna_lfbo.helion._final._BUDGET_MS", 100.0)
        yield


class Scheduler(LoadScopeScheduling):
    """Says which tests run in one process, one after the other.

    That is what the mark xdist_group is for, but pytest-xdist 3.8 does not see it with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        if module in TOGETHER:
            return "together"
        if module == SHARING:
            return module
        return test.partition("[")[2] if module == BY_PARAMETERS else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduler:
    return Scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with long tests, so that in the end no process has to wait for another one's."""
    items.sort(key=lambda item: item.path.name not in LONG)
