"""The committed outputs: nbval executes copies of the lessons, with two epochs, and compares.

The committed ones come from a whole training. So a compared cell that printed a trained number
would differ, and that none does is what lets anybody run the lessons with settings of their own.
"""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from lesson_files import COMPARED, LESSONS, code_cells, read, tags

from course_ae.settings import make_settings

EPOCHS = 2


def nbval(folder, *paths):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval-lax"]
    command += ["--nbval-current-env", "--nbval-cell-timeout", "900", *map(str, paths)]
    environment = {**os.environ, "COURSE_AE_RUNS": str(folder / "runs")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """The lessons with two epochs in their parameters cell, and nothing else changed."""
    folder = tmp_path_factory.mktemp("copies")
    for path in LESSONS:
        notebook = read(path)
        (cell,) = [cell for cell in notebook.cells if "parameters" in tags(cell)]
        cell.source += f"\nepochs = {EPOCHS}"
        nbformat.write(notebook, folder / path.name)
    return folder


def test_the_copies_have_fewer_epochs_than_the_lessons():
    assert make_settings("quick").epochs >= 4 * EPOCHS


def test_nbval_finds_the_committed_outputs_again_whatever_was_trained(copies):
    paths = [copies / path.name for path in LESSONS]
    done = nbval(copies, *paths)
    assert done.returncode == 0, done.stdout[-5000:]
    total = sum(len(code_cells(path)) for path in LESSONS)
    assert f"{total} passed" in done.stdout
    (run,) = (copies / "runs").iterdir()  # one for all of them
    settings = json.loads((run / "settings.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["profile"], settings["epochs"]) == ("quick", EPOCHS)
    assert len((run / "history.csv").read_text(encoding="utf-8").splitlines()) == 1 + EPOCHS


def test_nbval_notices_a_changed_output(tmp_path):
    notebook = read(LESSONS[0])
    found = [i for i, c in enumerate(notebook.cells) if COMPARED in tags(c)
             and "textures and" in c.source]  # fmt: skip
    (number,) = found
    (output,) = notebook.cells[number].outputs
    assert "3629" in output.text
    output.text = output.text.replace("3629", "3630")
    notebook.cells = notebook.cells[: number + 1]
    nbformat.write(notebook, tmp_path / "changed.ipynb")
    done = nbval(tmp_path, tmp_path / "changed.ipynb")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
