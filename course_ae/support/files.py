"""Writing files so that a kill at any moment leaves either the old file or the new one."""

import csv
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import psutil

from course_ae.support.errors import CourseError


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path` to write to, and moves it into place at the end.

    Raises:
        CourseError: if the folder or the file cannot be written.
    """
    part = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise CourseError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):  # nothing was written, or its folder could not be made
            part.unlink()


def user_path(text: str) -> Path:
    """What a user typed as an absolute path, `~` being the home folder.

    Raises:
        CourseError: if there is no such home folder, or links lead in a circle.
    """
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:
        raise CourseError(f"'{text}' leads nowhere; write the whole path.") from error


def remove_leftovers(folder: Path) -> None:
    """Removes temporary files of processes that were killed while they wrote."""
    for path in folder.rglob(".[0-9]*-*"):
        if path.is_file() and is_leftover(path):
            path.unlink(missing_ok=True)


def is_leftover(path: Path) -> bool:
    """True for `.<process>-<name>` of a process that is no longer there."""
    process = path.name[1:].partition("-")[0]
    return process.isdigit() and not psutil.pid_exists(int(process))


def require_writable(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there; makes nothing.

    Raises:
        CourseError: if no file could be written into the folder.
    """
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise CourseError(f"'{there}' is no folder that can be written; choose another one.")
    return there


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, or one, 'array', of a .npy file: none can hold code.

    Their shapes, for example (N, 227, 227), are as stored.

    Raises:
        CourseError: if the file is missing or damaged.
    """
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"array": content}
        with content:
            return {name: content[name] for name in content.files}
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise CourseError(f"'{path}' is missing or damaged; delete it and repeat.") from error


def write_text(path: Path, text: str) -> None:
    """A text file, whole or not at all."""
    with replace_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """A JSON file that people can read; NaN and infinity, which JSON lacks, are refused."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A table with a header, one row a dictionary."""
    rows = list(rows)
    with replace_file(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table; every value is text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """A compressed .npz file, whole or not at all; the shapes are kept, for example (N, H, W)."""
    with replace_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)


def cache_folder() -> Path:
    """Where drawn data and preprocessed images are kept: $COURSE_AE_CACHE or the user's cache."""
    chosen = os.environ.get("COURSE_AE_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("course_ae", False)
