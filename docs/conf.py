"""Settings of Sphinx: ``sphinx-build -W docs docs/_build``."""

import re
from importlib import metadata
from typing import Any

project = "optuna_lfbo"
author = "the authors of optuna_lfbo"
release = version = metadata.version("optuna_lfbo")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_argparse_cli",
]
exclude_patterns = ["_build"]
# Single backticks in docstrings.
default_role = "code"

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "optuna_lfbo"


def link_outside(app: Any, docname: str, source: list[str]) -> None:
    """Let links to Markdown files outside of this folder be links to files, not to pages."""
    source[0] = re.sub(r"\]\((\.\./[^)]+\.md)\)", r"](path:\1)", source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", link_outside)
