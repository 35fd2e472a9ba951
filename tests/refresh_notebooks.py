"""Executes all committed notebooks on the sample data, in order, and normalises their outputs.

Run it after every change that a lesson shows: python tests/refresh_notebooks.py
"""

import base64
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from common_cells import with_common_cells
from nbclient import NotebookClient
from nbconvert.preprocessors import CoalesceStreamsPreprocessor

from course_ae.command.stills import still

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
STRIP = ["--keep-output", "--keep-count", "--extra-keys", "metadata.widgets metadata.papermill"]


def refresh(path: Path) -> None:
    """One notebook, from a fresh kernel, in place."""
    notebook = with_common_cells(nbformat.read(path, as_version=4), path.stem)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=None,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
    )
    client.execute()
    notebook, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    notebook = still(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day
    nbformat.write(notebook, path)
    subprocess.run([sys.executable, "-m", "nbstripout", *STRIP, str(path)], check=True)


def main() -> None:
    """All lessons share one new run folder, so each finds what the one before it has made."""
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    with tempfile.TemporaryDirectory() as folder:  # a first run, as a student's or the tests'
        os.environ["COURSE_AE_RUNS"] = str(Path(folder, "runs"))
        os.environ["COURSE_AE_CACHE"] = str(Path(folder, "cache"))
        for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")):
            print(path.name, flush=True)
            refresh(path)
    (NOTEBOOKS / "result.png").write_bytes(result_picture())


def result_picture() -> bytes:
    """The README's picture: the difference maps of lesson 05."""
    notebook = nbformat.read(NOTEBOOKS / "05_threshold_search.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "figures.comparison(" in cell.source]
    return base64.b64decode(cell.outputs[0].data["image/png"])


if __name__ == "__main__":
    main()
