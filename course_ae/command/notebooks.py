"""The lessons as files: where they lie, a student's copy, and how `course-ae run` executes them."""

import logging
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from nbconvert import preprocessors
from papermill.engines import NBClientEngine, papermill_engines

from course_ae.command.stills import still
from course_ae.experiment.run_folder import Run
from course_ae.support.errors import CourseError
from course_ae.support.files import cache_folder, replace_file, require_writable

PAGES = ("glossary.md", "bibliography.md")  # what goes along with the lessons

logging.getLogger("papermill").setLevel(logging.CRITICAL + 1)  # no chatter in the terminal
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # nor about frozen modules


def lessons_folder() -> Path:
    """Where the lessons lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
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


def copy_for_students(folder: Path) -> None:
    """Writes what is not there yet: the lessons without outputs and solutions, and `PAGES`.

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
        notebook = nbformat.read(path, as_version=4)
        untagged = preprocessors.TagRemovePreprocessor(remove_cell_tags=["solution"])
        for step in (untagged, preprocessors.ClearOutputPreprocessor()):
            notebook, _ = step.preprocess(notebook, {})
        with replace_file(target) as part:
            nbformat.write(notebook, part)
        written.append(target)
    print(f"{len(written)} lesson{'' if len(written) == 1 else 's'} copied to '{folder}'.")
    for name in PAGES:
        if (folder / name).exists():
            kept.append(folder / name)
        else:
            with replace_file(folder / name) as part:
                shutil.copyfile(lessons_folder() / name, part)
    if kept:
        print(f"Left as they are: {', '.join(path.name for path in kept)}.")
    print(f'Open them with: jupyter lab "{min(written + kept)}"')


def run_lessons(
    run: Run,
    parameters: dict[str, Any],
    resume: bool = False,
    done: Callable[[Path], Any] = lambda path: None,
) -> None:
    """Executes the lessons into the run folder, with one line of progress a lesson.

    Args:
        run: where the executed lessons go, into its `notebooks`.
        parameters: name and value of what differs from the lessons' own parameters.
        resume: True leaves out lessons that are there already.
        done: called with each lesson that has been executed.

    Raises:
        CourseError: if a lesson fails.
    """
    paths = lessons()
    if "COURSE_AE_CACHE" in os.environ:
        os.environ["COURSE_AE_CACHE"] = str(cache_folder().absolute())  # lessons work elsewhere
    for path in paths:
        progress = Progress(path.stem.replace("_", " "))
        if resume and (run.folder / "notebooks" / path.name).is_file():
            progress.end("there already")
            continue
        start = time.perf_counter()
        try:
            run_lesson(path, run.folder, parameters, progress)
        except BaseException:
            progress.end("stopped")
            raise
        progress.end(f"{time.perf_counter() - start:.0f} s")
        done(run.folder / "notebooks" / path.name)


def run_lesson(path: Path, folder: Path, parameters: dict[str, Any], progress: "Progress") -> None:
    """Executes one lesson into `folder / "notebooks"`; its file appears there when it is whole.

    Raises:
        CourseError: if the lesson fails; how far it came is kept.
    """
    output = folder / "notebooks" / path.name
    failed = output.with_suffix(".failed.ipynb")
    with replace_file(output) as part:
        try:
            with warnings.catch_warnings(action="ignore"):
                notebook = papermill.execute_notebook(
                    _literal(path),
                    _literal(part),
                    parameters,
                    kernel_name="python3",  # the Python that runs this, wherever it was written
                    engine_name=SavedOnce.name,
                    progress_bar=False,
                    stdout_file=progress,
                    extra_arguments=["--log-level=CRITICAL"],  # nothing from the kernel itself
                    shutdown_kernel="immediate",  # with torch, a farewell takes a second or two
                    cwd=str(folder),  # what a lesson writes without a path stays with its run
                )
        except (papermill.PapermillExecutionError, DeadKernelError) as error:
            what = "was ended by the system, most likely for want of memory"
            if isinstance(error, papermill.PapermillExecutionError):
                if error.ename == "CourseError":
                    raise CourseError(error.evalue) from None
                why = f"{error.ename}: {' '.join(error.evalue.split())}"
                what = f"failed in cell [{error.exec_count}] with {why}"
            part.replace(failed)
            raise CourseError(
                f"Lesson {path.stem} {what}; how far it came is in '{failed}'."
            ) from error
        notebook, _ = preprocessors.CoalesceStreamsPreprocessor().preprocess(notebook, {})
        nbformat.write(still(notebook), part)
    failed.unlink(missing_ok=True)  # of an earlier try


class SavedOnce(NBClientEngine):
    """Papermill's own way to execute a lesson, whose file is written once, whatever ends it.

    Papermill writes it twice a cell, pictures and all, which takes longer than many a cell.
    """

    name = "saved-once"

    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, *args: Any, **kwargs: Any) -> None:
        """Executes the lesson; the file is written by who calls this, also after an error."""
        output, nb_man.output_path = nb_man.output_path, None
        try:
            super().execute_managed_notebook(nb_man, *args, **kwargs)
        finally:
            nb_man.output_path = output


papermill_engines.register(SavedOnce.name, SavedOnce)


class Progress:
    """One line a lesson, in which a terminal also sees the bars that papermill writes to it."""

    def __init__(self, title: str):
        self.title = title
        self.live = sys.stdout.isatty()  # a log file gets no bars
        print(f"{title} ...", end="" if self.live else " ", flush=True)

    def write(self, text: str) -> None:
        """Shows the newest state of a bar; bars return to the start of their line to redraw."""
        bar = text.rpartition("\r")[2].partition("\n")[0].strip()
        if self.live and "\r" in text and bar:
            self._draw(f"{self.title[:2]} {bar}")  # the bar fills the line already

    def flush(self) -> None:
        """Part of what papermill expects of a file."""

    def end(self, result: str) -> None:
        """Completes the line."""
        if self.live:
            self._draw(f"{self.title} ... {result}")
        print("" if self.live else result, flush=True)

    def _draw(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1  # a wrapped line could not be redrawn
        print("\r" + line[:width].ljust(width), end="", flush=True)


def _literal(path: Path) -> str:
    """The path for papermill, which would fill in names in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
