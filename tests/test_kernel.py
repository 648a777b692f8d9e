"""The model of ranks and the acquisition on top of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.optimize import check_grad
from scipy.stats import norm

from optuna_lfbo._acquisition import farthest, log_expected_improvement, pick_batch
from optuna_lfbo._kernel import RankModel
from optuna_lfbo._space import Space

SPACE = Space(
    {
        "block": IntDistribution(0, 15),
        "layout": CategoricalDistribution(["a", "b", "c"]),
        "rate": FloatDistribution(1e-4, 1, log=True),
    }
)


def model_of(n: int, n_steps: int = 10, seed: int = 0) -> tuple[RankModel, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    rows = SPACE.sample(rng, n)
    losses = np.exp(rows[:, 1] + np.abs(rows[:, 2] - 0.3) + 0.1 * rows[:, 0])
    losses[rows[:, 0] == 7] = np.inf
    return RankModel(SPACE, rows, losses, None, n_steps), rows, losses


@pytest.mark.parametrize("missing", [False, True])
def test_the_gradient_is_that_of_the_loss(missing: bool) -> None:
    model, rows, losses = model_of(30)
    if missing:
        rows[::3, 1:] = np.nan
        model = RankModel(SPACE, rows, losses, None, 10)
    pairs = list(model._pairs(model._units, model._units))
    theta = model.hyperparameters + 0.3
    error = check_grad(
        lambda t: model._loss_and_gradient(t, pairs)[0],
        lambda t: model._loss_and_gradient(t, pairs)[1],
        theta,
    )
    assert error < 1e-3


def test_it_orders_what_it_has_not_seen() -> None:
    model, *_ = model_of(60)
    _, rows, losses = model_of(200, seed=1)
    mean = model.posterior(rows).mean
    assert np.corrcoef(mean, norm.ppf((np.argsort(np.argsort(losses)) + 0.5) / 200))[0, 1] > 0.9


def test_only_ranks_matter() -> None:
    _, rows, losses = model_of(40)
    finite = np.isfinite(losses)
    twisted = np.where(finite, np.log(np.where(finite, losses, 1)) * 1e6 - 3, np.inf)
    means = [RankModel(SPACE, rows, y, None, 5).posterior(rows).mean for y in (losses, twisted)]
    assert np.array_equal(*means)


def test_missing_parameters_are_no_obstacle() -> None:
    _, rows, losses = model_of(40)
    rows[::3, 1] = np.nan
    rows[1::3, 2] = np.nan
    posterior = RankModel(SPACE, rows, losses, None, 5).posterior(rows)
    assert np.isfinite(posterior.mean).all()


def test_a_missing_parameter_is_a_value_of_its_own() -> None:
    model, *_ = model_of(40)
    rows = np.array([[3, 1, 0.4], [3, 1, np.nan], [np.nan, 1, 0.4], [3, np.nan, np.nan]])
    covariance = model.kernel(rows, rows)
    assert np.diag(covariance) == pytest.approx(1.0)
    assert (covariance[~np.eye(4, dtype=bool)] < 0.99).all()
    anywhere = SPACE.sample(np.random.default_rng(0), 30)
    anywhere[np.random.default_rng(1).random((30, 3)) < 0.4] = np.nan
    assert np.linalg.eigvalsh(model.kernel(anywhere, anywhere)).min() > -1e-9


@pytest.mark.parametrize("losses", [[1.0, 1.0, 1.0], [math.inf, 1.0, math.inf], [2.0]])
def test_few_and_equal_values(losses: list[float]) -> None:
    rows = SPACE.sample(np.random.default_rng(0), len(losses))
    posterior = RankModel(SPACE, rows, np.array(losses), None, 5).posterior(rows)
    assert np.isfinite(posterior.mean).all()
    assert (posterior.variance > 0).all()


def test_expected_improvement_and_its_far_tail() -> None:
    mean, deviation, best = np.array([0.2, -1.0, 3.0]), 0.7, 0.1
    u = (best - mean) / deviation
    expected = np.log(deviation * (u * norm.cdf(u) + norm.pdf(u)))
    variance = np.full(3, deviation**2)
    assert log_expected_improvement(mean, variance, best) == pytest.approx(expected, rel=1e-6)
    tail = log_expected_improvement(np.linspace(-5000, 5000, 999), np.ones(999), 0.0)
    assert np.isfinite(tail).all()
    assert (np.diff(tail) < 0).all()


def test_picks_keep_apart_from_pending_trials_and_each_other() -> None:
    space = Space({"x": FloatDistribution(0, 1)})
    rows, losses = np.array([[0.0], [0.5], [1.0]]), np.array([1.0, 0.0, 1.0])
    model = RankModel(space, rows, losses, None, 5)
    candidates = np.array([[0.25], [0.2501], [0.749], [0.75]])
    first, second = pick_batch(model, np.empty((0, 1)), candidates, model.best, 2)
    assert (candidates[first] < 0.5) != (candidates[second] < 0.5)
    (other,) = pick_batch(model, candidates[[first]], candidates, model.best, 1)
    assert other == second


def test_there_are_no_more_picks_than_candidates() -> None:
    model, rows, _ = model_of(20)
    assert sorted(pick_batch(model, np.empty((0, 3)), rows[:2], model.best, 5)) == [0, 1]


def test_the_farthest_candidate() -> None:
    candidates = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 0.9]])
    taken = np.array([[0.1, 0.0], [0.2, np.nan]])
    assert farthest(candidates, taken, np.array([np.inf, np.inf])) == 2
    assert farthest(candidates, taken, np.array([1.0, 1.0])) == 1, "an end is near the other"
    assert farthest(candidates, np.empty((0, 2)), np.ones(2)) == 0
