"""What `course-ae check` looks at. Imports late, so that it can tell of a missing package."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from pathlib import Path

from course_ae.support.errors import CourseError
from course_ae.support.files import cache_folder, require_writable

GB = 1e9
ENOUGH_DISK = 2 * GB  # a model of the slides' size and its copy, images, executed lessons


def findings(data: str, category: str) -> Iterator[tuple[bool, str]]:
    """Whether all is well, and what was found or is to be done, one after the other."""
    wrong, text = _packages()
    yield not wrong, text
    if wrong:
        return  # the rest could not be imported
    from course_ae.experiment.run_folder import runs_folder

    looks = {
        "device": _device,
        "cache": partial(_folder, "COURSE_AE_CACHE", cache_folder()),
        "runs": partial(_folder, "COURSE_AE_RUNS", runs_folder()),
        "lessons": _lessons,
        "lab": _lab,
        "data": partial(_data, data, category),
    }
    for name, look in looks.items():
        try:
            for text in look():
                yield True, f"{name}: {text}"
        except CourseError as error:
            yield False, f"{name}: {error}"
        except OSError as error:
            yield False, f"{name}: '{error.filename}': {error.strerror}."


def _packages() -> tuple[list[str], str]:
    """What is wrong with the packages that this one requires, and a line about all of them."""
    found, wrong = [f"Python {platform.python_version()}"], []
    try:
        lines = [line for line in metadata.requires("course-ae") or [] if "extra ==" not in line]
    except metadata.PackageNotFoundError:
        lines, wrong = [], ["course-ae is missing"]
    least_of = r"^([\w.-]+)(?:[^\n>]*>=([\d.]+))?"  # of math-core<0.10,>=0.9 too
    for name, least in re.findall(least_of, "\n".join(lines), re.MULTILINE):
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {there}")
        if least and _numbers(there) < _numbers(least):
            wrong.append(f"{name} {there} is older than {least}")
    remedy = f"packages: {', '.join(wrong)}; install course-ae again."
    return wrong, remedy if wrong else ", ".join(found)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def _device() -> Iterator[str]:
    import torch

    from course_ae.support import device

    yield f"{device.choose_device()}, {os.cpu_count()} processor cores"
    for name, there in (("cuda", torch.cuda), ("mps", torch.backends.mps)):
        if there.is_available():
            verdict = "agrees" if device.agrees(name) else "does NOT agree"
            yield (
                f"a training step on {name} {verdict} with the processor's: off by "
                f"{device.step_error(name):.2g} of a gradient, {device.TOLERANCE} is allowed"
            )


def _folder(variable: str, folder: Path) -> Iterator[str]:
    """Whether the course can write there, and how much."""
    try:
        free = shutil.disk_usage(require_writable(folder)).free
    except CourseError as error:
        raise CourseError(f"{error} Set {variable} to it.") from error
    told = f"'{folder.absolute()}', {free / GB:.1f} GB free"
    if free < ENOUGH_DISK:
        raise CourseError(f"{told}; free {ENOUGH_DISK / GB:.0f} GB.")
    yield told


def _lessons() -> Iterator[str]:
    from course_ae.command.notebooks import lessons, lessons_folder

    yield f"{len(lessons())} in '{lessons_folder()}'"


def _lab() -> Iterator[str]:
    """JupyterLab is an extra: it opens the lessons here; `run` and hosted notebooks need none."""
    try:
        yield f"JupyterLab {metadata.version('jupyterlab')}"
    except metadata.PackageNotFoundError:
        yield "no JupyterLab, which only opens lessons on this machine; pip install jupyterlab"


def _data(data: str, category: str) -> Iterator[str]:
    """The images: all are found and decoded; counts are compared with the published ones."""
    from course_ae.data import count_folders
    from course_ae.datasets.inspection import first_look
    from course_ae.datasets.mvtec_ad import compare_with_official
    from course_ae.experiment.run_folder import find_run
    from course_ae.experiment.stages import require_readable
    from course_ae.preprocessing import load_images

    run = find_run(data, category)
    require_readable(run)
    counts = ", ".join(f"{folder} {count}" for folder, count in count_folders(run.samples).items())
    drawn = f"'{run.settings.category}', drawn by this course"
    source = drawn if run.drawn else f"'{run.root}'"
    yield f"{source}: {counts}"
    if not run.drawn:  # own photographs may differ, so this is for information
        yield from compare_with_official(run.settings.category, run.samples)
        yield from first_look(run.samples, load_images(run.samples))
