"""The search space of one bound Helion kernel, in Optuna's terms and back."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from optuna_lfbo.helion import _compat_space
from optuna_lfbo.helion._fragments import codec_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from optuna.distributions import BaseDistribution

    from optuna_lfbo.helion._compat_space import BoundKernel, Config
    from optuna_lfbo.helion._fragments import ParamValue


class KernelSpace:
    """Helion's search space (``ConfigSpec``) of a kernel bound to arguments.

    Every entry of a Helion configuration that can be searched is one Optuna parameter, named
    by its key and, in a list, its index:

    * a power of two (block sizes, ``num_warps``) is the integer exponent,
      ``log2_block_sizes[0]``;
    * an integer is an integer, ``num_stages``;
    * an enumeration or a boolean is a categorical, ``pid_type``; a choice that is not a
      string, number, boolean or None is shown by its JSON text;
    * a permutation of up to four elements is a categorical of texts such as ``"1,0,2"``,
      ``loop_orders[0]``; a longer one is a rank for each element, ``loop_orders[0].rank[3]``.

    An entry with a single possible value, or one that ``autotune_config_overrides`` pins, is
    not a parameter. A range or a list of choices includes the values of the seeds, which may lie
    outside what Helion's own searches draw from.

    Args:
        bound_kernel: What ``kernel.bind(args)`` of a Helion kernel returns.

    Attributes:
        distributions: Parameter names and their distributions, in Helion's order.
        default: The configuration that Helion runs without autotuning.
        seeds: Configurations to measure first, without duplicates: the default, then the
            compiler's seeds, then the kernel's ``autotune_seed_configs``.

    Raises:
        NotImplementedError: The kernel uses a kind of search dimension unknown here.
    """

    def __init__(self, bound_kernel: BoundKernel) -> None:
        self._bound_kernel = bound_kernel
        self._generation = _compat_space.config_generation(bound_kernel)
        self.seeds: list[Config] = _compat_space.seed_configs(bound_kernel, self._generation)
        self.default: Config = self.seeds[0]
        flat_seeds = [self._generation.flatten(seed) for seed in self.seeds]
        self._default_flat = flat_seeds[0]
        self._slots = [
            (index, codec_of(name, fragment, [flat[index] for flat in flat_seeds]))
            for name, index, fragment in _compat_space.searched_fragments(self._generation)
        ]
        self.distributions: dict[str, BaseDistribution] = {
            name: distribution
            for _, codec in self._slots
            for name, distribution in codec.distributions.items()
        }

    def config(self, params: Mapping[str, ParamValue]) -> Config:
        """Return the configuration that ``params`` stand for, after Helion's own repair.

        Different parameters may give the same configuration: Helion changes combinations
        that make no sense, and drops entries that have no effect beside others.

        Args:
            params: A value for every name in ``distributions``.

        Raises:
            ValueError: A parameter is missing, unknown or out of its range.
            helion.exc.InvalidConfig: Helion cannot make a configuration of them.
        """
        if params.keys() != self.distributions.keys():
            raise ValueError(_wrong_names(params.keys(), self.distributions.keys()))
        flat = list(self._default_flat)
        for index, codec in self._slots:
            flat[index] = codec.decode(params)
        return self._generation.unflatten(copy.deepcopy(flat))

    def random_configs(self, n: int, seed: int | None = None) -> list[Config]:
        """Return up to ``n`` different configurations of the kind Helion's searches begin with.

        Args:
            n: How many.
            seed: The same one gives the same configurations.
        """
        configs = _compat_space.random_configs(self._generation, n, seed)
        return list(dict.fromkeys(configs))

    def neighbours(self, config: Config) -> list[Config]:
        """Return the different configurations that are one step from ``config``.

        The steps are those of Helion's ``PatternSearch``: to the next number or power of two, to
        any other choice, of two elements of a permutation.

        Args:
            config: One of this kernel, complete.
        """
        return self._others(config, _compat_space.neighbours)

    def reshaped(self, config: Config) -> list[Config]:
        """Return the configurations with another shape of the tiles of ``config``.

        With a larger block, alone or with another one that is larger or smaller; each also with
        fewer of the pipeline's stages, down to half, as it may need more shared memory, and what
        only grows also with more warps. What single steps lead over on the way there is slow or
        too large.

        Args:
            config: One of this kernel, complete.
        """
        return self._others(config, _compat_space.reshaped)

    def reaccessed(self, config: Config) -> list[Config]:
        """Return those neighbours of ``config`` that access memory in another way.

        Args:
            config: One of this kernel, complete.
        """
        return self._others(config, _compat_space.reaccessed)

    def steps_from_both(self, config: Config, other: Config) -> list[tuple[Config, Config]]:
        """Return where each step of ``neighbours`` leads two configurations.

        Args:
            config: One of this kernel, complete.
            other: Another one, which it has much in common with; of that the steps are.

        Returns:
            Pairs: a neighbour of ``config``, and that of ``other`` by the same step.
        """
        flat, other_flat = map(self._generation.flatten, (config, other))
        return list(_compat_space.steps_from_both(self._generation, flat, other_flat))

    def _others(
        self, config: Config, around: Callable[[Any, list[Any]], Iterable[Config]]
    ) -> list[Config]:
        found = dict.fromkeys(around(self._generation, self._generation.flatten(config)))
        return [other for other in found if other != config]

    def params(self, config: Config | Mapping[str, object]) -> dict[str, ParamValue]:
        """Return parameters that stand for ``config``.

        Args:
            config: A Helion configuration; what it leaves out is taken from the default.

        Raises:
            ValueError: A value of it lies outside the search space.
            helion.exc.InvalidConfig: It is not a configuration of this kernel.
        """
        complete = _compat_space.normalized(self._bound_kernel, {**self.default, **config})
        flat = self._generation.flatten(complete)
        params = self._encoded(flat)
        _check_nothing_is_lost(complete, self._generation.unflatten(flat))
        return params

    def canonical(self, params: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
        """Return the parameters that stand for all that give the same configuration.

        For ``LFBOSampler(canonical=...)``, so that no trial repeats a configuration of
        another. Parameters of which Helion cannot make a configuration stand for themselves.

        Args:
            params: A value for every name in ``distributions``.

        Raises:
            ValueError: A parameter is missing, unknown or out of its range, or the repaired
                configuration lies outside the search space.
        """
        try:
            return self._encoded(self._generation.flatten(self.config(params)))
        except _compat_space.InvalidConfig:
            return dict(params)

    def _encoded(self, flat: list[object]) -> dict[str, ParamValue]:
        return {
            name: value
            for index, codec in self._slots
            for name, value in codec.encode(flat[index]).items()
        }


def _wrong_names(given: Any, expected: Any) -> str:
    missing, unknown = sorted(expected - given), sorted(given - expected)
    return (
        "params must have exactly the names of the space's distributions; "
        f"missing: {missing}, unknown: {unknown}."
    )


def _check_nothing_is_lost(given: Config, meant: Config) -> None:
    # Helion drops some entries that have no effect, which is as good as None.
    keys = [key for key in {**given, **meant} if given.get(key) != meant.get(key)]
    if keys:
        lost, instead = ({key: config.get(key) for key in keys} for config in (given, meant))
        raise ValueError(
            f"{lost} cannot be expressed in this search space; the nearest in it is {instead}."
        )
