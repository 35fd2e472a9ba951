"""The committed outputs: copies of the lessons are executed, with two epochs, and compared.

The committed ones come from a whole training. So a compared cell that printed a trained number
would differ, and that none does is what lets anybody run the lessons with settings of their own.
"""

import json

import nbformat
import pytest
from lesson_files import COMPARED, LESSONS, code_cells, read, tags
from lesson_runner import compare

from course_ae.settings import make_settings

EPOCHS = 2


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


def test_the_runner_finds_the_committed_outputs_again_whatever_was_trained(copies):
    paths = [copies / path.name for path in LESSONS]
    done = compare(copies, *paths)
    total = sum(len(code_cells(path)) for path in LESSONS)
    assert (done.passed, done.failed) == (total, 0), done.shown[-5000:]
    (run,) = (copies / "runs").iterdir()  # one for all of them
    settings = json.loads((run / "settings.json").read_text(encoding="utf-8"))["settings"]
    assert (settings["profile"], settings["epochs"]) == ("quick", EPOCHS)
    assert len((run / "history.csv").read_text(encoding="utf-8").splitlines()) == 1 + EPOCHS


def test_the_runner_notices_a_changed_output(tmp_path):
    notebook = read(LESSONS[0])
    found = [i for i, c in enumerate(notebook.cells) if COMPARED in tags(c)
             and "textures and" in c.source]  # fmt: skip
    (number,) = found
    (output,) = notebook.cells[number].outputs
    assert "3629" in output.text
    output.text = output.text.replace("3629", "3630")
    notebook.cells = notebook.cells[: number + 1]
    nbformat.write(notebook, tmp_path / "changed.ipynb")
    done = compare(tmp_path, tmp_path / "changed.ipynb")
    assert done.failed == 1, done.shown[-5000:]
