"""Samplers by name and arguments, as written on the command line."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Spec:
    """A sampler and its settings, such as ``lfbo(gamma=0.2, batch=16)``.

    Attributes:
        text: the canonical text, which names the sampler in results.
        family: what comes before the parenthesis.
        kwargs: the arguments.
    """

    text: str
    family: str
    kwargs: dict[str, Any]


def parse(text: str) -> Spec:
    """Reads ``name`` or ``name(key=literal, ...)``.

    Raises:
        ValueError: the text is neither.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
        if isinstance(node, ast.Name):
            return Spec(node.id, node.id, {})
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.args:
            kwargs = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords}
            return Spec(ast.unparse(node), node.func.id, kwargs)
    except (SyntaxError, ValueError):
        pass
    raise ValueError(f"sampler is {text!r}, but must read name or name(key=literal, ...)")
