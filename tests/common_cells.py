"""What all lessons have in common: way to Colab and Binder, installation, parameters, slides.

`with_common_cells` puts it into a lesson; tests/refresh_notebooks.py does so before executing it.
The repository's address stands in pyproject.toml alone.
"""

import re
import tomllib
from itertools import pairwise
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

ROOT = Path(__file__).resolve().parents[1]
OPENED = "**Open this lesson elsewhere:**"
PARAMETERS = """\
data = ""  # a folder with photographs in MVTec AD's layout; empty draws sample images
category = "bottle"  # the product; drawn are bottle, bracket and weave
profile = "quick"  # quick takes minutes, slides is the slides' recipe, best that of lesson 08"""
INSTALL = """\
# Where the course is not installed, as in Colab, this fetches it; elsewhere it does nothing.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("course_ae") is None:
    source = os.environ.get("COURSE_AE_SOURCE", "git+{address}")
    command = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*command, f"course-ae @ {{source}}"], check=True)
    importlib.invalidate_caches()"""


def address() -> str:
    """Where the course's repository is published."""
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return content["project"]["urls"]["Repository"]


def links(lesson: str) -> str:
    """The line that opens a lesson, '01_dataset_exploration' for one, in Colab and in Binder."""
    place = address().removeprefix("https://github.com/")
    path = f"notebooks/{lesson}.ipynb"
    colab = f"https://colab.research.google.com/github/{place}/blob/main/{path}"
    binder = f"https://mybinder.org/v2/gh/{place}/main?labpath={path}"
    return f"{OPENED} [Colab]({colab}), [Binder]({binder})."


def with_common_cells(notebook: NotebookNode, lesson: str) -> NotebookNode:
    """The lesson with them; what it had of them before is replaced."""
    first = notebook.cells[0]
    text = re.sub(rf"\n*{re.escape(OPENED)}.*", "", first.source).rstrip()
    first.source = f"{text}\n\n{links(lesson)}"
    cells = [cell for cell in notebook.cells if "install" not in cell.metadata.get("tags", [])]
    install = new_code_cell(INSTALL.format(address=address()), id=f"install-{lesson[:2]}")
    install.metadata = NotebookNode(tags=["install"], jupyter={"source_hidden": True})
    (parameters,) = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = PARAMETERS
    place = cells.index(parameters)
    notebook.cells = [*cells[:place], install, *cells[place:]]
    for before, cell in pairwise([None, *notebook.cells]):
        cell.metadata.setdefault("slideshow", {"slide_type": slide_type(before, cell)})
    return notebook


def slide_type(before: NotebookNode | None, cell: NotebookNode) -> str:
    """What becomes of a cell on the slides, where it does not say so itself."""
    if {"install", "parameters", "exercise", "solution"} & set(cell.metadata.get("tags", [])):
        return "skip"
    if cell.cell_type == "code":
        return "skip" if "start(globals())" in cell.source else "-"
    if re.match(r"\*\*Exercise|Back: |The parameters", cell.source):
        return "skip"
    if cell.source.startswith(("# ", "## ")):
        return "slide"
    follows_code = before is not None and before.cell_type == "code"
    return "subslide" if cell.source.startswith("### ") or follows_code else "-"
