"""The lessons as files: where they lie, a student's copy, and outputs that need no kernel."""

from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_output

from course_ae.config import CourseError
from course_ae.files import replace_file, require_writable

WIDGET = "application/vnd.jupyter.widget-view+json"  # an output that only a kernel can fill


def lessons_folder() -> Path:
    """Where the lessons lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def lessons() -> list[Path]:
    """The lessons, in order.

    Raises:
        CourseError: if there are none.
    """
    found = sorted(lessons_folder().glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise CourseError(f"There are no lessons in '{lessons_folder()}'; install course-ae again.")
    return found


def executed(run: Path) -> list[Path]:
    """The lessons that were executed into a run folder, in order, without those that failed."""
    found = sorted((run / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return [path for path in found if not path.name.endswith(".failed.ipynb")]


def still(notebook: NotebookNode) -> NotebookNode:
    """A copy in which each explorer is a picture with a caption, and each quiz a list."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [shown for output in cell.outputs for shown in _still(output)]
    return notebook


def _still(output: NotebookNode) -> list[NotebookNode]:
    data = output.get("data", {})
    if WIDGET not in data:
        return [output]
    if "image/png" in data:
        said = data["text/plain"]
        picture = {"image/png": data["image/png"], "text/plain": said}
        caption = {"text/markdown": f"**Figure.** {said}"}
        return [
            new_output("display_data", picture, metadata=output.metadata),
            new_output("display_data", caption),
        ]
    text = data.get("text/markdown")
    return [new_output("display_data", {"text/markdown": text})] if text else []


def for_students(notebook: NotebookNode) -> NotebookNode:
    """A copy without outputs and without the solutions of the exercises."""
    notebook = deepcopy(notebook)
    notebook.cells = [c for c in notebook.cells if "solution" not in c.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def copy_for_students(folder: Path) -> tuple[list[Path], list[Path]]:
    """Writes each lesson that is not there yet into a folder of the student's own.

    Returns:
        The files that were written, and those that were there and stay as they are.

    Raises:
        CourseError: if the folder is that of the lessons themselves, or cannot be written.
    """
    if folder.resolve() == lessons_folder().resolve():
        raise CourseError(f"'{folder}' holds the lessons themselves; choose a folder of your own.")
    require_writable(folder)
    written, kept = [], []
    for path in lessons():
        target = folder / path.name
        if target.exists():
            kept.append(target)
            continue
        with replace_file(target) as part:
            nbformat.write(for_students(nbformat.read(path, as_version=4)), part)
        written.append(target)
    return written, kept
