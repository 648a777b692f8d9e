"""The documentation builds, and every Python and shell block of it does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

SETUP = "from tests.readme_setup import *"
INTERPRETED = {"README.md": SETUP, "triton.md": "", "workers.md": SETUP}
"""Pages for a process of its own, as a variable makes Triton interpret once and for all; and
what they take for granted."""

REDUCED = {
    "n_trials=100": "n_trials=3",
    "devices=[0, 1, 2, 3]": 'devices=["cpu", "cpu"], n_trials=2',
    'torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))': 'torch.device("cpu")',
    "postgresql://user:password@host/tuning": "sqlite:///tuning.db",
}
"""What a test has in place of a reader's GPUs, servers and patience."""

IMPATIENT = {
    "optuna_lfbo.helion._stop._EXHAUSTION": 3,
    "optuna_lfbo.helion._final._BUDGET_MS": 100.0,
}
"""A reader may be patient, a test is not."""


def program_of(text: str) -> str:
    """The blocks of a page as one program with the page's line numbers.

    Lines of a console block that begin with ``$`` are commands that have to succeed.
    """
    program, language = [], None
    for line in text.splitlines():
        fence = re.fullmatch(r"```(\w*).*", line)
        code = ""
        if fence:
            language = None if language else fence[1]
        elif language == "python":
            code = line
        elif language == "console" and line.startswith("$ optuna-lfbo "):
            code = f"assert __import__('optuna_lfbo.cli').cli.main({line.split()[2:]!r}) == 0"
        program.append(code)
    joined = "\n".join(program) + "\n"
    for text, ours in REDUCED.items():
        joined = joined.replace(text, ours)
    return joined


PAGES = {
    path.name: program_of(path.read_text(encoding="utf-8"))
    for path in [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
}


@pytest.mark.parametrize("page", [page for page, program in PAGES.items() if program.strip()])
def test_the_blocks_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.setenv("HELION_CACHE_DIR", str(tmp_path / "cache"))
    for name, value in IMPATIENT.items():
        monkeypatch.setattr(name, value)
    verbosity = optuna.logging.get_verbosity()
    program = tmp_path / f"{page}.py"
    program.write_text(PAGES[page], encoding="utf-8")
    if page in INTERPRETED:
        run_interpreted(program, INTERPRETED[page])
        return
    # Functions of the main program travel to other processes by value.
    try:
        exec(compile(PAGES[page], str(program), "exec"), {"__name__": "__main__"})
    finally:
        optuna.logging.set_verbosity(verbosity)


def run_interpreted(program: Path, setup: str) -> None:
    pytest.importorskip("triton")
    code = f"""
import pytest
for name, value in {IMPATIENT!r}.items():
    pytest.MonkeyPatch().setattr(name, value)
{setup}
p = {str(program)!r}
exec(compile(open(p).read(), p, 'exec'))
"""
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_page_becomes_a_program_with_its_line_numbers() -> None:
    text = "# Page\n\n```python\na = 1\n```\n\n```console\n$ optuna-lfbo show x\nout\n```\n"
    lines = program_of(text).splitlines()
    assert lines[3] == "a = 1"
    assert lines[7] == "assert __import__('optuna_lfbo.cli').cli.main(['show', 'x']) == 0"
    assert [line for line in lines if line] == [lines[3], lines[7]]


def test_the_documentation_builds_without_warnings(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for page in DOCS.glob("*.md"):
        assert (tmp_path / f"{page.stem}.html").exists()
    assert "n_startup_trials" in (tmp_path / "api.html").read_text(encoding="utf-8")
    assert "--timeout" in (tmp_path / "command_line.html").read_text(encoding="utf-8")


def test_the_pictures_are_made_by_a_command(tmp_path: Path) -> None:
    command = [sys.executable, DOCS / "pictures.py", "--out", tmp_path]
    subprocess.run(command, check=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {path.name for path in (DOCS / "images").glob("lfbo_*.png")}


def test_every_file_of_the_layout_is_there() -> None:
    text = (DOCS / "contributing.md").read_text(encoding="utf-8")
    package = ROOT / "optuna_lfbo"
    named = re.findall(r"^  (\w[\w/]*\.py|\w+/) ", text, re.M)
    assert len(named) > 20
    missing = [
        n for n in named if not any((d / n).exists() for d in (package, package / "helion"))
    ]
    assert not missing
