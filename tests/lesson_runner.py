"""The one place that knows by what the lessons' committed outputs are compared: nbval, today.

Another runner can take its place here. It has to execute each notebook whole, from a fresh kernel,
and to compare the cells that are tagged with `lesson_files.COMPARED`, and no others.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SECONDS = 900  # that one cell may take


class Comparison(NamedTuple):
    """What became of the code cells of all notebooks together."""

    passed: int  # ran, and gave the committed output where that is compared
    failed: int  # gave another one, or stopped with an error
    shown: str  # what the runner printed, for the reader of a failure


def compare(folder: Path, *paths: Path) -> Comparison:
    """Executes notebooks, with runs of their own in `folder`, and compares their outputs."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax"]
    command += ["--nbval-current-env", "--nbval-cell-timeout", str(SECONDS), *map(str, paths)]
    environment = {**os.environ, "COURSE_AE_RUNS": str(folder / "runs")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)
    last = done.stdout.rstrip().rpartition("\n")[2]  # 1 failed, 8 passed in 2.34s
    count = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
    failed = count.get("failed", 0) + count.get("error", 0) + count.get("errors", 0)
    return Comparison(count.get("passed", 0), failed, done.stdout + done.stderr)
