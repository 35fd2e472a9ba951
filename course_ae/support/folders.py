"""Reading folders of images, with clear words for what is wrong there."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from course_ae.support.errors import CourseError, nearest
from course_ae.support.images import is_image


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Says in a sentence that a folder, or what it holds, cannot be read.

    Raises:
        CourseError: if it cannot.
    """
    try:
        yield
    except OSError as error:
        raise CourseError(
            f"'{error.filename or folder}' cannot be read ({error.strerror or error}); allow it to "
            "be read, or choose another folder."
        ) from error


def find_category(data: Path, category: str) -> Path:
    """The folder of a category: `data/category`, or `data` where it is itself one category.

    '' means the only category that is there.

    Raises:
        CourseError: if there is no such folder (the categories that are there are named), or it
            cannot be read.
    """
    with readable(data):
        if not data.is_dir():
            raise CourseError(
                f"There is no folder '{data}'; give the one that holds the categories."
            )
        if (data / "train").is_dir():
            return data
        if (data / category / "train").is_dir():
            return data / category
        there = sorted(path.parent.name for path in data.glob("*/train"))
    if not category and len(there) == 1:
        return data / there[0]
    if not there:
        raise CourseError(
            f"'{data}' holds no data in MVTec AD's layout; expected '{category}/train/good' or "
            "'train/good' in it."
        )
    raise CourseError(f"'{data}' holds no category '{category}'{nearest(category, there)}")


def images_below(folder: Path) -> list[Path]:
    """The image files in the folders of a folder, in order."""
    with readable(folder):
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        shown = [path for path in inside if path.is_dir() and not path.name.startswith(".")]
    return [path for inner in shown for path in image_files(inner)]


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, sorted by name; hidden ones and other files are passed over.

    Raises:
        CourseError: if the folder cannot be read, an image is a link to nothing, or a name is no
            valid text.
    """
    with readable(folder):
        found = [path for path in sorted(folder.iterdir()) if is_image(path)]
    for path in found:
        if path.is_symlink() and not path.exists():
            raise CourseError(
                f"'{path}' is a link to a file that is not there; put the file back, or take the "
                "link out."
            )
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            raise CourseError(
                f"'{path}' has a name that is not valid UTF-8; give the file another name."
            ) from error
    return [path for path in found if path.is_file()]


def require_own_names(paths: Iterable[Path]) -> None:
    """Refuses two images in a folder whose names differ by type or case only: they share a mask.

    Raises:
        CourseError: if there are such images.
    """
    seen: dict[tuple[Path, str], Path] = {}
    for path in paths:
        twin = seen.setdefault((path.parent, path.stem.casefold()), path)
        if twin != path:
            raise CourseError(
                f"'{path}' and '{twin.name}' share a name, so masks cannot be told apart; "
                "rename one of them."
            )
