"""Your own photographs in MVTec AD's layout, so that every lesson runs on them."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, permutations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from course_ae.datasets.painted import PAINTED
from course_ae.preprocessing import preprocess, to_tensor
from course_ae.support.errors import CourseError
from course_ae.support.files import is_leftover, replace_file, require_writable, write_csv
from course_ae.support.images import image_size, is_image, load_image, open_image
from course_ae.training import to_uint8

LONGEST = 1024  # pixels, the longer side at most: MVTec AD's largest, and the network sees 227
TEST_SHARE = 0.2  # of the good photographs; where none is defective, as many again are painted on
LONG = 100  # letters of a file's name that are kept, so that what is added to it has room
SHOWN = 10  # files left out that are told one by one
LIST = "imported.csv"  # in the category's folder: where each file came from, or why it is not there


@dataclass
class Import:
    """What became of all files, so far."""

    folder: Path  # of the category
    taken: dict[Path, Path] = field(default_factory=dict)  # copy: source
    left_out: dict[Path, str] = field(default_factory=dict)  # source: why
    seen: dict[str, Path] = field(default_factory=dict)  # hash of the pixels: source


def import_photographs(
    data: Path, category: str, good: Path, defective: Path | None = None, masks: Path | None = None
) -> Import:
    """Copies photographs into `data / category`: all of it appears at once, or nothing.

    A fifth of the good ones, chosen by a fixed seed, is kept for the test. Without defective ones
    another fifth gets defects painted, as stand-ins. The photographs stay as they are; their copies
    are upright PNG files with 8 bits a channel, at most 1024 pixels long.

    Args:
        data: the folder of all categories; it is made if need be.
        category: the name of the new one.
        good: folder of good photographs, with those in its folders.
        defective: folder of defective ones; a folder in it is a type of defect.
        masks: folder of masks, <name>_mask or <name>, in the same folders as the defective ones or
            in none. Where no level is above 127, each but 0 marks the defect.

    Raises:
        CourseError: if a folder is missing or lies in another, the category is there already or
            cannot be written, or there are too few photographs.
    """
    for one, other in permutations([folder for folder in (good, defective, masks) if folder], 2):
        if one.resolve().is_relative_to(other.resolve()):
            raise CourseError(
                f"'{one}' lies in '{other}', so their files would be mixed up; give folders beside "
                "each other."
            )
    _require_free(data, category)
    with _staging(data, category) as folder:
        found = Import(folder)
        _take(found, good, "good", 5 if defective else 13)
        if defective:
            _take(found, defective, "defective", 3)
        if defective and masks:
            _add_masks(found, defective, masks)
        _keep_for_test(found, painted=not defective)
        _write_list(found)
        found.folder = folder.rename(data / category)
    return found


def _require_free(data: Path, category: str) -> None:
    """Refuses a name that is none, is taken, or would make `data` look like a category itself."""
    target = data / category
    if not category:
        raise CourseError("The new category needs a name; give it with --category.")
    if target.parent != data or category.startswith(".") or not category.isprintable():
        raise CourseError(f"'{category}' cannot be the name of a category; use letters and digits.")
    if category.casefold() == "train" or (data / "train").exists():
        raise CourseError(
            f"'{data}' would look like a category itself with a folder 'train' in it; choose "
            "another folder or --category."
        )
    if target.exists():
        raise CourseError(f"'{target}' is there already; choose another --category, or delete it.")
    require_writable(data)


@contextmanager
def _staging(data: Path, category: str) -> Iterator[Path]:
    """A folder beside the category's place; whatever is in it at the end is removed."""
    is_new = not data.exists()
    data.mkdir(parents=True, exist_ok=True)
    for path in filter(is_leftover, list(data.glob(".[0-9]*-importing"))):
        shutil.rmtree(path, ignore_errors=True)  # of an import that was killed
    try:
        prefix = f".{os.getpid()}-"
        with TemporaryDirectory("-importing", prefix, data, ignore_cleanup_errors=True) as staging:
            folder = Path(staging, category)  # with the usual rights, which `staging` has not
            folder.mkdir()
            yield folder
    finally:
        if is_new:
            with suppress(OSError):  # something is in it
                data.rmdir()


def photographs_in(folder: Path, left_out: dict[Path, str]) -> list[Path]:
    """All images in a folder and in those within; other files are added to `left_out`, with why.

    Links to folders are not followed, so none can lead in a circle; hidden files do not count.

    Raises:
        CourseError: if there is no such folder.
        OSError: if it, or one in it, cannot be read.
    """

    def stop(error: OSError) -> None:
        raise error

    if not folder.is_dir():
        raise CourseError(f"There is no folder '{folder}'; give one that holds photographs.")
    images = []
    for where, folders, names in os.walk(folder, onerror=stop):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(where, name) for name in sorted(names) if not name.startswith(".")):
            if not is_image(path):
                left_out[path] = "no JPEG, PNG, BMP or TIFF file"
            elif not path.is_file():
                left_out[path] = "a link to a file that is not there"
            else:
                images.append(path)
    return images


def _test_folder(path: Path, defective: Path) -> str:
    """Where a defective photograph goes: the folder that holds it tells the type of defect."""
    inside = path.relative_to(defective).parts
    defect_type = inside[0] if len(inside) > 1 else "defective"
    if defect_type == "good":
        raise CourseError(f"'{defective / defect_type}' lies among the defective ones; move it.")
    return f"test/{defect_type}"


def _take(found: Import, folder: Path, what: str, needed: int) -> None:
    """Copies a folder's photographs, several at a time; the same picture is taken once."""
    before, paths = len(found.taken), photographs_in(folder, found.left_out)
    places = ["train/good" if what == "good" else _test_folder(path, folder) for path in paths]
    used: dict[Path, int] = {}
    copies = [
        free_name(found.folder / place, path.stem, used)
        for path, place in zip(paths, places, strict=True)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        copied = pool.map(_copy, paths, copies)
        for source, copy, (key, problem) in zip(paths, copies, copied, strict=True):
            if not problem and key in found.seen:
                problem = f"the same picture as '{found.seen[key]}'"
            if problem:
                found.left_out[source] = problem
                copy.unlink(missing_ok=True)
            else:
                found.seen[key], found.taken[copy] = source, source
    if len(found.taken) < before + needed:
        problem = next((f" ('{path}': {why})" for path, why in found.left_out.items()), "")
        raise CourseError(
            f"'{folder}' has too few {what} photographs that can be used{problem}; an import needs "
            "5 good and 3 defective ones, or 13 good ones."
        )


def free_name(folder: Path, stem: str, used: dict[Path, int]) -> Path:
    """A PNG file of this name, or with a number behind it where the name was given before.

    Args:
        folder: where the file is to be.
        stem: its name, which is cut if it is long.
        used: the files named so far, in small letters for systems that tell no others apart, each
            with the last number put behind its name; empty at first, the new file is added.
    """
    stem = stem[:LONG]
    name, first = stem, folder / f"{stem.casefold()}.png"
    while (key := folder / f"{name.casefold()}.png") in used:
        used[first] += 1  # goes on where the last search ended, so that many are no work
        name = f"{stem}-{used[first]}"
    used[key] = 1
    return folder / f"{name}.png"


def _copy(source: Path, copy: Path) -> tuple[str, str]:
    """Writes the upright, smaller copy; returns a hash of its pixels, or what is wrong."""
    try:
        str(source).encode()
        image = open_image(source)
    except UnicodeEncodeError:
        return "", "its name is not valid UTF-8"
    except CourseError as error:
        return "", str(error)
    image = image if image.mode == "L" else image.convert("RGB")
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC)
    _save(image, copy)
    return hashlib.sha256(np.asarray(image)).hexdigest(), ""


def _save(image: Image.Image, path: Path) -> None:
    with replace_file(path) as part:
        image.save(part, "png", compress_level=1)  # fast before small


def _add_masks(found: Import, defective: Path, masks: Path) -> None:
    """Writes the mask of each defective photograph that has one, where there is no doubt."""
    owners: dict[tuple[Path, str], set[Path]] = {}  # a mask's folder and name: copies
    for copy, source in found.taken.items():
        if copy.parent.parent.name == "test":
            for folder in {source.relative_to(defective).parent, Path()}:
                owners.setdefault((folder, source.stem.casefold()), set()).add(copy)
    for path in photographs_in(masks, found.left_out):
        name = path.stem.removesuffix("_mask").casefold()
        meant = owners.get((path.relative_to(masks).parent, name), set())
        if len(meant) != 1:
            problem = "could be of several photographs" if meant else "the mask of no photograph"
        elif _mask_path(*meant).exists():
            problem = "a second mask of its photograph"
        else:
            problem = _copy_mask(path, found.taken[next(iter(meant))], *meant)
        if problem:
            found.left_out[path] = problem


def _mask_path(image: Path) -> Path:
    """Where MVTec AD keeps the mask of a test image."""
    return image.parents[2] / "ground_truth" / image.parent.name / f"{image.stem}_mask.png"


def _copy_mask(path: Path, source: Path, copy: Path) -> str:
    """Writes the mask at its photograph's new size; returns what is wrong with it, or ''."""
    try:
        levels = load_image(path, "black").max(axis=-1)  # (H, W)
    except CourseError as error:
        return str(error)
    whole = image_size(source)
    if levels.shape != whole:
        return "{1}x{0} pixels, and its photograph has {3}x{2}".format(*levels.shape, *whole)
    marked = levels > (127 if levels.max() > 127 else 0)
    if not marked.any():
        return "marks nothing"
    with Image.open(copy) as image:
        share = Image.fromarray(marked).convert("L").resize(image.size, Image.Resampling.BOX)
    most = np.asarray(share) > 127
    most = most if most.any() else np.asarray(share) > 0  # a hair stays a hair
    _save(Image.fromarray(most).convert("L"), _mask_path(copy))
    return ""


def _keep_for_test(found: Import, painted: bool) -> None:
    """Moves good photographs from the training to the test; as many again get defects painted."""
    good = sorted(copy for copy in found.taken if copy.parent.parent.name == "train")
    count = max(2, round(TEST_SHARE * len(good)))
    order = [good[i] for i in np.random.default_rng(0).permutation(len(good))]
    place = found.folder / "test" / "good"
    place.mkdir(parents=True)
    for copy in order[:count]:
        found.taken[copy.rename(place / copy.name)] = found.taken.pop(copy)
    if painted:
        generator = torch.Generator().manual_seed(0)
        for copy, defect_type in zip(order[count : 2 * count], cycle(PAINTED), strict=False):
            place = found.folder / "test" / f"painted_{defect_type.replace(' ', '_')}" / copy.name
            pixels = preprocess(copy)[None]  # as the network sees it: gray, 227x227
            image, mask = PAINTED[defect_type](to_tensor(pixels), generator)
            _save(Image.fromarray(to_uint8(image)[0]), place)
            if mask.any():
                _save(Image.fromarray(mask[0].numpy()).convert("L"), _mask_path(place))
            found.taken[place] = found.taken.pop(copy)
            copy.unlink()


def _write_list(found: Import) -> None:
    taken = sorted(found.taken.items())
    rows = [(copy.relative_to(found.folder).as_posix(), str(source), "") for copy, source in taken]
    rows += [("", str(source), why) for source, why in found.left_out.items()]
    clean = [[v.encode(errors="backslashreplace").decode() for v in row] for row in rows]
    columns = ("file", "source", "left out")  # a source's name may be no text at all
    write_csv(found.folder / LIST, [dict(zip(columns, row, strict=True)) for row in clean])


def account(found: Import) -> list[str]:
    """What was taken and what was left out, and why, in lines of text."""
    lines = [f"{len(found.taken)} photographs taken, {len(found.left_out)} files left out"]
    lines += [f"  {path}: {why}" for path, why in list(found.left_out.items())[:SHOWN]]
    if len(found.left_out) > SHOWN:
        lines.append(f"  and {len(found.left_out) - SHOWN} more, see {LIST}")
    if any(copy.parent.name.startswith("painted_") for copy in found.taken):
        lines.append(
            "No defective photographs were given, so defects were painted on some good ones: the "
            "figures will tell of paint, not of your defects."
        )
    lines.append(f"All is listed in '{found.folder / LIST}'.")
    return lines
