"""How every raw file writes a result."""

from __future__ import annotations

import json
import math
from typing import Any


def as_line(fields: dict[str, Any]) -> str:
    """Writes fields as a line of JSON: numbers of six digits, null for infinities and NaN."""
    return json.dumps(_shorten(fields), separators=(",", ":"))


def _shorten(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _shorten(item) for key, item in value.items()}
    return [_shorten(item) for item in value] if isinstance(value, list) else value
