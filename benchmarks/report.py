"""Markdown tables from raw results alone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import records, scores

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def report(raw: Sequence[Path]) -> str:
    """Fraction of the optimum by sampler, averaged over seeds, then over tasks."""
    rows = defaultdict(lambda: defaultdict(list))
    for record in records.load(raw):
        curve = scores.fraction_of_optimum(record)
        rows[record.sampler][record.task].append(curve)
    checkpoints = [n for n in scores.CHECKPOINTS]
    lines = []
    for encoding in ("int", "cat", ""):
        for sampler, by_task in sorted(rows.items()):
            tasks = [t for t in by_task if t.endswith(encoding)]
            mean = np.mean([np.mean(by_task[t], axis=0) for t in tasks], axis=0)
            cells = [f"{mean[n - 1]:.3f}" for n in checkpoints if n <= len(mean)]
            lines.append(
                [
                    encoding or "both",
                    sampler,
                    str(len(tasks)),
                    str(min(len(by_task[t]) for t in tasks)),
                    *cells,
                ]
            )
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
