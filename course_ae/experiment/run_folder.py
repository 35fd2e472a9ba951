"""The run folder: every artefact of one run, each file written whole or not at all."""

import ast
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import course_ae
from course_ae.data import Sample, fingerprint, load_samples, select
from course_ae.datasets.samples import drawing_version, write_samples
from course_ae.settings import Settings, make_settings, setting_types
from course_ae.support.device import choose_device
from course_ae.support.errors import CourseError, nearest
from course_ae.support.files import (
    cache_folder,
    remove_leftovers,
    require_writable,
    user_path,
    write_json,
)
from course_ae.support.folders import find_category

OLDER = {"epoch_images": 0}  # settings that runs of earlier versions have not written down
PLACES = ("data", "category", "profile", "run")  # lesson parameters that are not plain settings
PACKAGES = ("torch", "torchvision", "pytorch-msssim", "numpy", "scikit-learn", "Pillow")


@dataclass(frozen=True)
class Run:
    """One run of the course: its settings, its images and the folder of its results."""

    folder: Path
    settings: Settings
    samples: list[Sample]
    drawn: bool  # True for the built-in images, which this course draws
    root: Path  # where the images were looked for: all categories, or one of them

    @property
    def train(self) -> list[Sample]:
        """The good training images."""
        return select(self.samples, "train")

    @property
    def test(self) -> list[Sample]:
        """The test images, good and defective."""
        return select(self.samples, "test")


def start(namespace: Mapping[str, Any]) -> Run:
    """Opens the run that a lesson's parameters describe, and prints what it works with.

    Args:
        namespace: the notebook's `globals()`, in which the parameters are looked up.

    Raises:
        CourseError: for a parameter that does not exist or has no sensible value, and for data
            that cannot be used.
    """
    known = [*PLACES, *setting_types()]
    for name in _parameter_names(namespace.get("In", ())):
        if name not in known:
            raise CourseError(f"There is no parameter '{name}'{nearest(name, known)}")
    run = open_run(**{name: namespace[name] for name in known if name in namespace})
    print_facts(run)
    if colab := sys.modules.get("google.colab"):  # it shows explorers only when told to
        colab.output.enable_custom_widget_manager()
    return run


def _parameter_names(cells: Sequence[str]) -> set[str]:
    """What the last cell of parameters, and the last one that papermill added to it, assign."""
    latest = {}
    for source in cells:
        if source.startswith("# Parameters") or "profile = " in source:
            latest[source.startswith("# Parameters")] = source
    names = set()
    for source in latest.values():
        with suppress(SyntaxError):  # IPython knows commands that Python does not
            nodes = ast.walk(ast.parse(source))
            names |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return names


def open_run(**parameters: Any) -> Run:
    """Finds the images, then opens the run folder or makes it; see `find_run`."""
    run = find_run(**parameters)
    claim(run)
    return run


def find_run(
    data: str = "", category: str = "bottle", profile: str = "quick", run: str = "", **overrides
) -> Run:
    """Finds the images and says where their run belongs; makes no run folder.

    Args:
        data: folder with categories in MVTec AD's layout, or a category itself; '' draws the
            category, which then is 'bottle', 'bracket' or 'weave'.
        category: which category; where `data` is itself one, its folder's name counts.
        profile: 'quick', 'slides' or 'best'.
        run: the run folder; '' takes one in `runs` that is named after data and settings.
        **overrides: single settings; None keeps the profile's value.

    Raises:
        CourseError: for a wrong setting, unusable data, or a folder with a run of other settings.
    """
    for name, value in zip(PLACES, (data, category, profile, run), strict=True):
        if not isinstance(value, str):
            raise CourseError(f"The parameter '{name}' must be text in quotes, not {value!r}.")
        if "\0" in value:
            raise CourseError(f"The parameter '{name}' holds a zero byte; write it anew.")
    settings = make_settings(profile, category=category, **overrides)
    drawn = not data
    root = draw_samples(category) if drawn else user_path(data)
    found = find_category(root, category)
    settings = make_settings(profile, **{**overrides, "category": found.name})
    samples = load_samples(found)
    folder = user_path(run) if run else default_folder(settings, drawn)
    found_run = Run(folder, settings, samples, drawn, root)
    _check_folder(found_run)
    return found_run


def draw_samples(category: str) -> Path:
    """The root of the built-in data, a category of which is drawn into the cache the first time.

    Raises:
        CourseError: if there is no such category, or the cache cannot be written.
    """
    root = cache_folder() / f"samples-{drawing_version()}"
    try:
        return write_samples(root, category)
    except OSError as error:
        raise CourseError(
            f"The category '{category}' cannot be drawn into '{root}': {error.strerror or error}; "
            "set the environment variable COURSE_AE_CACHE to a folder that can be written."
        ) from error


def default_folder(settings: Settings, drawn: bool) -> Path:
    """`runs/<data>-<profile>` and whatever differs from the profile, beside the lessons."""
    usual = asdict(make_settings(settings.profile, category=settings.category))
    differs = [f"{k}-{v}" for k, v in asdict(settings).items() if v != usual[k]]
    data = f"drawn-{settings.category}" if drawn else settings.category
    return runs_folder() / "-".join([data, settings.profile, *differs])


def runs_folder() -> Path:
    """Where runs are kept: $COURSE_AE_RUNS, else `runs` in the checkout or where one works."""
    chosen = os.environ.get("COURSE_AE_RUNS")
    checkout = Path(__file__).resolve().parents[2]
    if chosen:
        return user_path(chosen)
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / "runs"


def _identity(run: Run) -> dict[str, Any]:
    return {"settings": asdict(run.settings), "data_fingerprint": fingerprint(run.samples)}


def _check_folder(run: Run) -> None:
    """Refuses a folder that holds another run or anything else, or that cannot be written."""
    folder, path = run.folder, run.folder / "settings.json"
    if path.is_file():
        there, identity = read_json(path), _identity(run)
        if isinstance(there.get("settings"), dict):
            there["settings"] = OLDER | there["settings"]
        if {key: there.get(key) for key in identity} != identity:
            # Of other images it cannot go on.
            go_on = there.get("settings") != identity["settings"]
            remedy = "choose another run folder" + ", or go on with that run by --resume" * go_on
            raise CourseError(
                f"'{folder}' holds a run with {_difference(there, identity)}; {remedy}."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.glob("[!.]*"))):
        raise CourseError(
            f"'{folder}' is there already and is no run folder; choose a new or an empty one."
        )
    require_writable(folder)


def claim(run: Run) -> None:
    """Writes settings.json, with the versions and the device, into a new run folder."""
    path = run.folder / "settings.json"
    if path.is_file():
        remove_leftovers(run.folder)
        return
    versions = {name: version(name) for name in PACKAGES}
    facts = {
        "course_ae": course_ae.__version__,
        "python": platform.python_version(),
        "versions": versions,
        "device": str(choose_device()),
        "data": "" if run.drawn else str(run.root),
    }
    write_json(path, {**_identity(run), **facts})


def recorded(folder: Path) -> dict[str, Any]:
    """The parameters with which a run was begun, as `find_run` takes them.

    Raises:
        CourseError: if the folder holds no run.
    """
    path = folder / "settings.json"
    if not path.is_file():
        raise CourseError(
            f"There is no run in '{folder}'; give a run's folder, or begin one: 'course-ae run'."
        )
    there = read_json(path)
    settings = there.get("settings")
    try:
        usual = asdict(make_settings(settings["profile"]))
        settings = OLDER | settings
        differs = {
            name: settings[name] for name in setting_types() if settings[name] != usual[name]
        }
        places = {"data": there.get("data", ""), "category": settings["category"]}
    except (KeyError, TypeError) as error:
        raise CourseError(
            f"'{path}' is not a run's file; delete the run folder and repeat."
        ) from error
    return {**differs, **places, "profile": settings["profile"], "run": str(folder)}


@contextmanager
def reserved(run: Run, task: str, patience: float = 0) -> Iterator[None]:
    """Keeps a task in the run folder for one process; the system frees it when the process ends.

    Args:
        run: the run.
        task: 'command' for all of a command, 'training' while a network is trained. A command
            trains in the processes of its lessons, so the two do not exclude each other.
        patience: seconds to wait for another process, one that was stopped just now.

    Raises:
        CourseError: if another process is at it.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.folder / f".{task}.lock", timeout=patience):
            yield
    except Timeout as error:
        raise CourseError(
            f"'{run.folder}' is in use by another {task}; wait for its end, or choose another run "
            "folder."
        ) from error


def _difference(there: dict[str, Any], wanted: dict[str, Any]) -> str:
    before = there.get("settings")
    before = before if isinstance(before, dict) else {}
    differs = [
        f"{name} {before.get(name)!r} instead of {value!r}"
        for name, value in wanted["settings"].items()
        if before.get(name) != value
    ]
    return ", ".join(differs) if differs else "other images (they were changed, or lie elsewhere)"


def print_facts(run: Run) -> None:
    """The versions, the device, the settings and the data in use."""
    s = run.settings
    parts = (("train", 0, "good to train"), ("test", 0, "good to test"), ("test", 1, "defective"))
    counts = [f"{len(select(run.samples, *part))} {words}" for *part, words in parts]
    source = f"'{s.category}'{', drawn by this course' if run.drawn else ''}"
    print(f"course_ae {course_ae.__version__}, torch {version('torch')}, on {choose_device()}")
    print(f"data: {source}: {', '.join(counts)}")
    print(f"profile: {s.profile}, run folder: {run.folder.name}")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file of the run folder.

    Raises:
        CourseError: if it is missing, damaged or holds no table.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CourseError(
            f"'{path}' is missing; run the lessons before this one, or give a finished run."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CourseError(f"'{path}' cannot be read; delete the run folder and repeat.") from error
    if not isinstance(content, dict):
        raise CourseError(f"'{path}' is not a run's file; delete the run folder and repeat.")
    return content


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """For the use of what a run's file holds, where another hand may have changed it.

    Raises:
        CourseError: if something is missing in it, or of another type.
    """
    try:
        yield
    except CourseError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CourseError(
            f"'{path}' lacks figures or was changed; repeat 'course-ae run' on this run folder."
        ) from error


def read_summary(run: Run) -> dict[str, Any]:
    """All figures of the run so far."""
    path = run.folder / "summary.json"
    return read_json(path) if path.is_file() else {}


def update_summary(run: Run, **figures: Any) -> dict[str, Any]:
    """Adds figures to summary.json and returns all of it; tables in tables are added to as well."""
    summary = merged({"settings": asdict(run.settings), **read_summary(run)}, figures)
    write_json(run.folder / "summary.json", summary)
    return summary


def merged(old: Any, new: Any) -> Any:
    """`new` where the two differ; of tables the rows of both."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
