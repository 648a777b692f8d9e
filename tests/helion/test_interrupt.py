"""A Ctrl-C that comes while garbage is collected."""

from __future__ import annotations

import signal

import pytest

from optuna_lfbo.helion._interrupt import noted_interrupts, postponed


class Interrupted:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_swallowed_interrupt_is_raised_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    with noted_interrupts() as check:
        check()
        Interrupted()
        with pytest.raises(KeyboardInterrupt):
            check()
        check()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_is_raised_at_once_as_ever() -> None:
    with pytest.raises(KeyboardInterrupt), noted_interrupts():
        signal.raise_signal(signal.SIGINT)


def test_only_the_first_interrupt_is_postponed() -> None:
    with noted_interrupts() as check:
        with postponed():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
