"""The committed lessons, tiny ones to execute, and what an executed one says."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_ae.experiment.run_folder import PLACES
from course_ae.settings import setting_types

ROOT = Path(__file__).resolve().parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
COMPARED = "nbval-check-output"
NAMES = list(dict.fromkeys([*PLACES, *setting_types()]))
BARS = r"print('\r 10%\r 50%\r100%')"
LINK = "[next](02_second.ipynb)"

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def spoken(folder):
    """Everything that the executed lessons in a folder print and write."""
    texts = []
    for path in sorted(folder.glob("*.ipynb")):
        for cell in code_cells(path):
            texts += [out.get("text", "") for out in cell.outputs]
            texts += [out.get("data", {}).get("text/markdown", "") for out in cell.outputs]
    return "\n".join("".join(text) for text in texts)


def write_lesson(folder, name, *sources, names=NAMES):
    """A lesson with all parameters and a cell for each source."""
    cell = new_code_cell("\n".join(f"{name} = None" for name in names))
    cell.metadata.tags = ["parameters"]
    heading = new_markdown_cell(f"# {name[:2]} A <small> lesson\n\n{LINK}")
    cells = [heading, cell, *(new_code_cell(source) for source in sources)]
    folder.mkdir(exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / f"{name}.ipynb")
