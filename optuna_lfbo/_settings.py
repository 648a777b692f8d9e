"""What a search is asked for, and the constants that were measured to be best."""

from __future__ import annotations

from dataclasses import dataclass

QUANTILE = 0.25
N_TREES = 30


@dataclass(frozen=True)
class Settings:
    """What `LFBOSampler` is asked for, with what else its search depends on.

    Attributes:
        n_startup_trials: Finished trials before the models are used.
        quantile: Share of the successful trials that the forest is told are good.
        n_trees: Trees of the forest.
        n_best: Best configurations that moves start from.
        n_moves: Moves from them, in a ranking.
        n_random: Random configurations among the candidates.
        n_random_listed: The same where the values of all parameters are listed. Then they share
            values with the trials; otherwise they lie far from these, where all is uncertain.
        branch_share: Share of the rankings in a conditional space that keep to one branch.
        n_niches: Good configurations far from one another whose surroundings are searched.
        niche_distance: How far, as a share of the listed parameters.
        niche_patience: Trials in vain before niches are searched; after twice as many, in every
            other ranking.
        n_running_at_best: By the number of parameters: so many of the running trials are to be
            near the best one, and others in niches.
        n_trials_at_best: Finished trials from which on that is so, gradually: with twice as many
            up to half of the rankings go to niches.
        radius: Largest step of a move, as a share of an ordered axis.
        kept_share: Share of the candidates that pass the forest's filter.
        batch_size: Picks of a ranking.
        refit_growth: Share of new trials after which the models are fitted anew.
        refit_growth_alone: The same where each pick has a ranking of its own.
        n_kernel_trials: Trials that the model of ranks sees at most.
        n_kernel_steps: Steps of its hyperparameter search, from where the last one ended, at
            least and at most; between these, one for every other new trial.
        n_startup_candidates: Random configurations from which the farthest is taken.
        n_representatives: Untried representatives that a ranking chooses from.
    """

    n_startup_trials: int
    quantile: float
    n_trees: int = N_TREES
    n_best: int = 3
    n_moves: int = 500
    n_random: int = 100
    n_random_listed: int = 500
    branch_share: float = 0.5
    n_niches: int = 6
    niche_distance: float = 1 / 3
    niche_patience: int = 20
    n_running_at_best: int = 150
    n_trials_at_best: int = 100
    radius: float = 0.3
    kept_share: float = 0.5
    batch_size: int = 5
    refit_growth: float = 0.06
    refit_growth_alone: float = 0.02
    n_kernel_trials: int = 200
    n_kernel_steps: tuple[int, int] = (3, 12)
    n_startup_candidates: int = 32
    n_representatives: int = 16
