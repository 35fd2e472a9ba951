"""What `course-ae check` looks at. Imports late, so that it can tell of a missing package."""

import os
import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from course_ae.support.errors import CourseError
from course_ae.support.files import cache_folder

Finding = tuple[bool, str]  # whether all is well, and what was found or is to be done
GB = 1e9
ENOUGH_DISK = 2 * GB  # a model of the slides' size and its copy, images, executed lessons


def findings(data: str, category: str) -> Iterator[Finding]:
    """What is ready and what is not, one after the other."""
    packages_ok, text = check_packages()
    yield packages_ok, text
    if not packages_ok:
        return  # the rest could not be imported
    yield check_device()
    from course_ae.experiment.run_folder import runs_folder

    for name, folder in (("cache", cache_folder()), ("runs", runs_folder())):
        yield check_folder(name, folder)
    yield check_lessons()
    yield from check_data(data, category)


def check_packages() -> Finding:
    """Python, and every package that this one requires."""
    required = [
        (match["name"], match["least"])
        for line in metadata.requires("course-ae") or []
        if "extra ==" not in line
        and (match := re.match(r"(?P<name>[\w.-]+)(?:>=(?P<least>[\d.]+))?", line))
    ]
    found, wrong = [], []
    for name, least in required:
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {there}")
        if least and _numbers(there) < _numbers(least):
            wrong.append(f"{name} {there} is older than {least}")
    if wrong:
        return False, f"packages: {', '.join(wrong)}; install course-ae again."
    return True, f"Python {platform.python_version()}, {', '.join(found)}"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def check_device() -> Finding:
    """What the network is trained on."""
    from course_ae.support.device import choose_device

    return True, f"device: {choose_device()}, {os.cpu_count()} processor cores"


def check_folder(name: str, folder: Path) -> Finding:
    """Whether the course can write there, and how much."""
    from course_ae.support.files import require_writable

    try:
        there = require_writable(folder)
    except CourseError as error:
        return False, f"{name}: {error} Set COURSE_AE_{name.upper()} to it."
    free = shutil.disk_usage(there).free
    advice = f"; free {ENOUGH_DISK / GB:.0f} GB." if free < ENOUGH_DISK else ""
    return not advice, f"{name}: '{folder.absolute()}', {free / GB:.1f} GB free{advice}"


def check_lessons() -> Finding:
    """The notebooks."""
    from course_ae.command.notebooks import lessons, lessons_folder

    try:
        return True, f"lessons: {len(lessons())} in '{lessons_folder()}'"
    except CourseError as error:
        return False, f"lessons: {error}"


def check_data(data: str, category: str) -> Iterator[Finding]:
    """The images: all are found and decoded; counts are compared with the published ones."""
    from course_ae.data import count_folders
    from course_ae.datasets.inspection import first_look
    from course_ae.datasets.mvtec_ad import compare_with_official
    from course_ae.experiment.run_folder import find_run
    from course_ae.experiment.stages import require_readable
    from course_ae.preprocessing import load_images

    try:
        run = find_run(data, category)
        require_readable(run)
    except CourseError as error:
        yield False, f"data: {error}"
        return
    except OSError as error:
        yield False, f"data: '{error.filename}': {error.strerror}."
        return
    counts = ", ".join(f"{folder} {count}" for folder, count in count_folders(run.samples).items())
    source = "sample bottles, drawn by this course" if run.drawn else f"'{run.root}'"
    yield True, f"data: {source}: {counts}"
    if not run.drawn:  # own photographs may differ, so this is for information
        for difference in compare_with_official(run.settings.category, run.samples):
            yield True, f"data: {difference}"
        for sentence in first_look(run.samples, load_images(run.samples)):
            yield True, f"data: {sentence}"
