"""The report of a run: executed lessons as web pages, and an index that begins with the result.

The pages load nothing from the net and name no folder of this machine, so they can be passed on.
Their words and looks are in the folder `templates`.
"""

import base64
import math
import re
from collections.abc import Mapping
from concurrent.futures import Future
from copy import deepcopy
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nbformat
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from nbconvert import HTMLExporter
from nbformat import NotebookNode

from course_ae.classroom import figures
from course_ae.classroom.story import read_story
from course_ae.command import formulas
from course_ae.command.notebooks import executed
from course_ae.command.stills import still
from course_ae.command.tables import NOTE, result_table
from course_ae.experiment.dependence import Dependence
from course_ae.experiment.evaluation import read_rows
from course_ae.experiment.run_folder import Run, damaged, read_json
from course_ae.support.errors import CourseError
from course_ae.support.files import write_text

TEMPLATES = Path(__file__).with_name("templates")
FACTS = (  # figures of summary.json that the front page tells
    "train", "train_augmented", "test_good", "test_defective", "parameters", "epochs", "best_epoch",
    "seconds", "images_per_second", "train_loss", "val_loss", "mean_image_loss",
    "output_std_over_images", "input_std_over_images",
)  # fmt: skip
NEWER = ("pca_loss", "nearest_own_image")  # which older runs lack


def render(template: str, **content: Any) -> str:
    """A page from one of our templates, in which all content is escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(content)


def write_page(run: Run, path: Path) -> tuple[str, str]:
    """Writes the page of an executed lesson; returns its name and the lesson's title.

    Raises:
        CourseError: if a file cannot be read or written.
    """
    notebook, page = read_lesson(path), f"{path.stem}.html"
    write_text(run.folder / "report" / page, lesson_page(notebook, path.stem))
    return page, lesson_title(notebook, path.stem)


def write_report(run: Run, pages: Mapping[Path, Future] = MappingProxyType({})) -> Path:
    """Writes `report/index.html` and a page for each executed lesson, and returns the former.

    Args:
        run: the run.
        pages: of lessons whose page is being written already, by `write_page`.

    Raises:
        CourseError: if a file cannot be read or written.
    """
    paths = executed(run.folder)
    titles = [pages[path].result() if path in pages else write_page(run, path) for path in paths]
    content = {
        "settings": run.settings,
        "drawn": run.drawn,
        "device": read_json(run.folder / "settings.json").get("device"),
        "date": date.today(),
        "story": read_story(run),
        "result": read_result(run.folder / "summary.json"),
        "note": NOTE,
        "pages": dict(titles),
    }
    title = f"Anomaly detection on {run.settings.category}"
    index = run.folder / "report" / "index.html"
    write_text(index, render("index.html.j2", title=title, **content))
    return index


def read_result(path: Path) -> dict[str, Any]:
    """What the front page tells of a finished run; {} where it is not finished.

    Args:
        path: its summary.json.

    Raises:
        CourseError: if it is damaged.
    """
    summary = read_json(path) if path.is_file() else {}
    if "baselines" not in summary:  # the last that an evaluation writes
        return {}
    _, rows = read_rows(path)
    with damaged(path):
        named = {row.detector: row for row in rows}
        best = named.get("normalised") or named["L2"]
        mean = named[f"mean image, {best.detector}"]
        pca = named.get(f"PCA, {best.detector}")  # older runs have none
        known = {"parameters": summary["parameters"], **summary["counts"], **summary["training"]}
        names = [*FACTS, *(name for name in NEWER if name in known)]
        facts = {name: float(known[name]) for name in names}
    spread = Dependence(
        facts["output_std_over_images"],
        facts["input_std_over_images"],
        facts.get("nearest_own_image", math.nan),
    )
    table = result_table(rows)
    return {
        "table": table, "best": best, "mean": mean, "pca": pca, "facts": facts, "spread": spread,
    }  # fmt: skip


def write_sweep(
    path: Path, rows: list[dict[str, Any]], means: list[tuple[str, ...]], failures: list[str]
) -> None:
    """A page with many trainings: a mark for each row, a table of means, and what failed.

    Raises:
        CourseError: if it cannot be written.
    """
    is_any = any(row["status"] == "done" for row in rows)
    png = base64.b64encode(figures.png(figures.sweep(rows))).decode() if is_any else ""
    content = {"table": means, "png": png, "failures": failures}
    write_text(path, render("sweep.html.j2", title="Sweep", **content))


def read_lesson(path: Path) -> NotebookNode:
    """An executed lesson.

    Raises:
        CourseError: if it cannot be read.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises many kinds for a damaged file
        raise CourseError(f"'{path}' cannot be read; run the lessons again.") from error
    return notebook


def lesson_title(notebook: NotebookNode, name: str) -> str:
    """The lesson's first heading, else its file's name."""
    texts = (cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heading = re.search(r"^#+ +(.+?) *#*$", "\n".join(texts), re.MULTILINE)
    return heading[1] if heading else name


def lesson_page(
    notebook: NotebookNode,
    name: str,
    template: str = "lesson.html.j2",
    exporter: type[HTMLExporter] = HTMLExporter,
    **resources: Any,
) -> str:
    """An executed lesson as one HTML file, from one of our templates, which extend nbconvert's."""
    notebook = without_places(still(notebook))
    notebook.metadata["title"] = lesson_title(notebook, name)
    page, _ = exporter(
        raw_template=(TEMPLATES / template).read_text("utf-8"),
        extra_template_paths=[str(TEMPLATES)],
        extra_template_basedirs=[],  # else templates that lie in the working folder would count
        filters={"markdown2html": formulas.markdown},
    ).from_notebook_node(notebook, resources)
    head, end, body = page.partition("</head>")
    body = re.sub("<meta", "&lt;meta", body, flags=re.IGNORECASE)  # it can lead on to any address
    body = re.sub(r'(href="(?:\./)?\d\d_[^"/#]*)\.ipynb', r"\1.html", body)  # lesson to lesson
    return head + end + body


def without_places(notebook: NotebookNode) -> NotebookNode:
    """A copy without what names folders of this machine: two parameters, and warnings."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = re.sub(r"^(data|run) = .*\n?", "", cell.source, flags=re.MULTILINE)
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    notebook.metadata.pop("widgets", None)
    return notebook
