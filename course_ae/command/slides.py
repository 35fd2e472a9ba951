"""Executed lessons as slides, each one HTML file that needs nothing from the net.

nbconvert divides the cells into slides by their `slideshow` metadata; reveal.js (MIT), which shows
them, lies in the folder `templates` and is written into each file.
"""

import base64
import hashlib
from pathlib import Path

from nbconvert import SlidesExporter
from nbformat import NotebookNode

from course_ae.command.notebooks import executed, lessons
from course_ae.command.report import TEMPLATES, lesson_page, lesson_title, read_lesson, render
from course_ae.support.errors import CourseError
from course_ae.support.files import write_text


def slides_page(notebook: NotebookNode, name: str) -> str:
    """An executed lesson as one HTML file.

    Raises:
        CourseError: if the lesson has not been executed.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source]
    if not any(cell.outputs for cell in code):
        raise CourseError(f"Lesson {name} has no outputs; execute it first.")
    parts = ("reveal/reveal.js", "slides.js")
    script = "\n".join((TEMPLATES / part).read_text("utf-8") for part in parts)
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    slides = {"script": script, "sha256": sha256}  # no other script runs
    return lesson_page(notebook, name, "slides.html.j2", SlidesExporter, slides=slides)


def write_slides(folder: Path, run: Path | None = None) -> Path:
    """Writes the slides of every lesson and a list of them, and returns the list.

    Args:
        folder: where the pages go.
        run: a run folder, whose executed lessons are taken; else those of the course itself, which
            show the drawn bottles.

    Raises:
        CourseError: if there is no executed lesson, or a file cannot be read or written.
    """
    paths = executed(run) if run else lessons()
    if not paths:
        raise CourseError(f"There are no executed lessons in '{run}'; give a folder of 'run'.")
    read = {path.stem: read_lesson(path) for path in paths}
    pages = {f"{name}.html": slides_page(notebook, name) for name, notebook in read.items()}
    titles = {f"{name}.html": lesson_title(notebook, name) for name, notebook in read.items()}
    pages["index.html"] = render("list.html.j2", title="Slides of the lessons", pages=titles)
    for name, page in pages.items():  # all of them were made before one is written
        write_text(folder / name, page)
    return folder / "index.html"
