"""Text from a storage, made fit for a terminal and for Markdown.

Whoever may write to a storage may put anything there: names, errors and devices are shown as
what they are, and never as commands to a terminal, HTML or a link.
"""

from __future__ import annotations

import re


def one_line(text: str, most: int = 300) -> str:
    """Return ``text`` as one printable line of at most ``most`` characters."""
    # Compilers print many lines and terminals' escape codes; split() drops the line breaks.
    printable = "".join(c if c.isprintable() else " " for c in text)
    line = " ".join(printable.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def code(text: object, most: int = 300) -> str:
    """Return ``text`` as one Markdown code span, in which nothing has a meaning."""
    line = one_line(str(text), most) or "-"
    fence = _fence(line, shortest=1)
    padding = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{padding}{line}{padding}{fence}"


def cell(text: object, most: int = 300) -> str:
    """Return ``text`` as a code span in a cell of a Markdown table."""
    # The parser of tables looks for bars and backslashes before them even within code.
    return code(str(text).replace("\\|", "\\ |"), most).replace("|", "\\|")


def code_block(text: str, language: str = "") -> str:
    """Return ``text`` as a fenced Markdown block."""
    fence = _fence(text, shortest=3)
    return f"{fence}{language}\n{text}\n{fence}"


def _fence(text: str, shortest: int) -> str:
    """Backticks that do not occur in ``text``."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(shortest, longest + 1)
