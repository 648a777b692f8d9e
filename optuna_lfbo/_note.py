"""A study in a page of Markdown: what was tuned, what came out, and what went wrong.

Needs Optuna only, and takes whatever is in a storage: attributes that are missing, or not what
tuning writes, are left out.
"""

from __future__ import annotations

import keyword
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection

from optuna_lfbo._text import cell, code, code_block
from optuna_lfbo._trials import finite_value, metric_of, status_of
from optuna_lfbo._winner import default_latency, is_positive, winner_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import optuna
    from optuna.trial import FrozenTrial

_MOST_ARGUMENTS = 12
_MOST_VERSIONS = 12
_LONGEST_CONFIG = 4000
_TRITON_OPTIONS = ("num_warps", "num_stages", "num_ctas", "maxnreg")


def markdown_note(study: optuna.Study) -> str:
    """Describe a study in Markdown.

    Text from the storage stands in code, so that it can neither be markup nor, as it is made
    printable, move a terminal's cursor.

    Args:
        study: Any study, of a kernel or not, at any time.

    Returns:
        A title, a table of what the study is about, the best configuration with the code to
        use it, and a table of the outcomes; paragraphs are separated by empty lines.
    """
    attributes = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    kernel = attributes.get("kernel")
    parts = [
        f"# {code(kernel if isinstance(kernel, str) else study.study_name, most=100)}",
        _subject(study.study_name, attributes),
        "## Best so far",
        _result(study, attributes, trials),
        "## Trials",
        _outcomes(trials),
        _ending(attributes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _subject(name: str, attributes: Mapping[str, Any]) -> str:
    """What the study is about."""
    rows = [("Study", cell(name))]
    args = attributes.get("args")
    if isinstance(args, list):
        shown = [cell(_argument(arg), most=80) for arg in args[:_MOST_ARGUMENTS]]
        rows.append(("Arguments", ", ".join([*shown, *(["…"] if args[len(shown) :] else [])])))
    if isinstance(device := attributes.get("device"), str):
        rows.append(("Device", cell(device, most=100)))
    versions = attributes.get("versions")
    if isinstance(versions, dict) and versions:
        known = list(versions.items())[:_MOST_VERSIONS]
        rows.append(("Versions", ", ".join(cell(f"{k} {v}", most=60) for k, v in known)))
    return _table(("", ""), rows)


def _argument(arg: object) -> str:
    """A tensor as ``float32[64, 128]``, with strides unless they are the usual ones."""
    if isinstance(arg, list):
        return f"({', '.join(_argument(item) for item in arg[:_MOST_ARGUMENTS])})"
    if not (isinstance(arg, dict) and isinstance(shape := arg.get("shape"), list)):
        return repr(arg)
    described = f"{arg.get('dtype', '')}{shape}"
    stride = arg.get("stride")
    return described if stride == _contiguous(shape) else f"{described} strides {stride}"


def _contiguous(shape: Sequence[Any]) -> list[int]:
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * size if isinstance(size, int) else 0)
    return strides[::-1] if shape else []


@dataclass(frozen=True)
class _Best:
    """The best of a study.

    Attributes:
        value: Its value.
        origin: Where the value is from.
        use: A block of Markdown that says how to get it.
    """

    value: float
    origin: str
    use: str


def _result(
    study: optuna.Study, attributes: Mapping[str, Any], trials: Sequence[FrozenTrial]
) -> str:
    if len(study.directions) != 1:
        return f"The study has {len(study.directions)} objectives, and so no single best trial."
    best = _best_of_kernel(study, attributes) or _best_of_trials(study.direction, trials)
    if best is None:
        return "No trial has succeeded yet."
    metric = metric_of(study)
    text = f"**{best.value:.4g}{metric.unit}** ({best.origin})"
    default = default_latency(attributes) if metric.is_latency else None
    if default is not None and is_positive(best.value):
        text += (
            f", **{default / best.value:.3g} times** as fast as the default with "
            f"{default:.4g}{metric.unit}"
        )
    elif not metric.is_latency:
        text = f"{code(metric.name, most=80)} = {text}"
    return f"{text}:\n\n{best.use}"


def _best_of_kernel(study: optuna.Study, attributes: Mapping[str, Any]) -> _Best | None:
    if "kernel" not in attributes or (winner := winner_of(study)) is None:
        return None
    origin = "single measurement" if math.isnan(winner.spread_ms) else "final comparison"
    use = decorator_line(winner.configuration, attributes)
    if len(use) > _LONGEST_CONFIG:
        return _Best(winner.latency_ms, origin, "The configuration is too long to be shown.")
    return _Best(winner.latency_ms, origin, code_block(use, "python"))


def _best_of_trials(direction: StudyDirection, trials: Sequence[FrozenTrial]) -> _Best | None:
    sign = -1.0 if direction == StudyDirection.MAXIMIZE else 1.0
    values = [(sign * value, t) for t in trials if (value := finite_value(t)) is not None]
    if not values:
        return None
    value, best = min(values, key=lambda pair: pair[0])
    rows = [(cell(name, most=100), cell(param, most=100)) for name, param in best.params.items()]
    return _Best(sign * value, f"trial {best.number}", _table(("Parameter", "Value"), rows))


def decorator_line(configuration: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    """Return the code that uses a configuration, from the attributes of its study.

    A line to decorate a Helion kernel with, a ``triton.Config`` for a Triton kernel, and
    the parameters for anything else.
    """
    language = attributes.get("language")
    if language == "helion":
        return f"@helion.kernel(config=helion.Config({_arguments(configuration)}))"
    if language == "triton":
        options = {key: configuration[key] for key in _TRITON_OPTIONS if key in configuration}
        meta = {key: value for key, value in configuration.items() if key not in options}
        arguments = [repr(meta), *([_arguments(options)] if options else [])]
        return f"triton.Config({', '.join(arguments)})"
    return repr(dict(configuration))


def _arguments(configuration: Mapping[str, Any]) -> str:
    if all(key.isidentifier() and not keyword.iskeyword(key) for key in configuration):
        return ", ".join(f"{key}={value!r}" for key, value in configuration.items())
    return f"**{dict(configuration)!r}"


def _outcomes(trials: Sequence[FrozenTrial]) -> str:
    """How many trials ended how, and the most frequent reason."""
    counts = Counter(status_of(trial) for trial in trials)
    if not counts:
        return "There are none yet."
    n = len(trials)
    rows = [
        (cell(status), str(count), _percent(count / n), _reason(trials, status))
        for status, count in counts.most_common()
    ]
    return _table(("Outcome", "Trials", "Share", "Most frequent reason"), rows)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "< 1%"


def _reason(trials: Sequence[FrozenTrial], status: str) -> str:
    if status == "duplicate":
        return "the configuration had been measured"
    errors = (t.user_attrs.get("error") for t in trials if status_of(t) == status)
    reasons = Counter(error for error in errors if isinstance(error, str))
    return cell(reasons.most_common(1)[0][0], most=160) if reasons else ""


def _ending(attributes: Mapping[str, Any]) -> str:
    """How the last run of the tuner ended."""
    tuning = attributes.get("tuning")
    if not isinstance(tuning, dict) or not isinstance(reason := tuning.get("stop_reason"), str):
        return ""
    shares = [
        f"{label} {_percent(share)} of the time"
        for key, label in (
            ("device_busy_share", "the device measured"),
            ("sampler_share", "the sampler took"),
        )
        if is_positive(share := tuning.get(key))
    ]
    wall_s = tuning.get("wall_s")
    after = f" after {wall_s:.0f} s" if is_positive(wall_s) else ""
    told = f"; {' and '.join(shares)}" if shares else ""
    return f"The last run ended{after}: {code(reason, most=100)}{told}."


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield _row(header)
        yield _row(["---"] * len(header))
        yield from map(_row, rows)

    return "\n".join(lines())


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
