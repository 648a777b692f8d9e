"""The README's Python does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_optuna_example_finds_the_best_layout(capsys: pytest.CaptureFixture[str]) -> None:
    first, *_ = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(first, str(README), "exec"), namespace)
    assert namespace["study"].best_params["layout"] == "tiled"
    assert "tiled" in capsys.readouterr().out
