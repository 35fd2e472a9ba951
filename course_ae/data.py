"""Lesson 01: from a folder in MVTec AD's layout to a list of samples.

The layout is that of Bergmann et al., "MVTec AD: a comprehensive
real-world dataset for unsupervised anomaly detection" (CVPR 2019):

    <root>/<category>/train/good/000.png
    <root>/<category>/test/good/000.png, test/<defect>/000.png
    <root>/<category>/ground_truth/<defect>/000_mask.png
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_ae.support.errors import CourseError, nearest
from course_ae.support.images import IMAGE_TYPES, image_size, is_image, load_image


@dataclass(frozen=True)
class Sample:
    """One image file and what is known about it."""

    path: Path
    split: str  # "train" or "test"
    defect_type: str  # "good" or the name of the defect's folder
    mask_path: Path | None = None  # where the defective pixels are marked

    @property
    def label(self) -> int:
        """1 for a defective product, 0 for a good one."""
        return int(self.defect_type != "good")

    @property
    def name(self) -> str:
        """The path below the category's folder, for example 'test/good/007.png'."""
        return f"{self.split}/{self.defect_type}/{self.path.name}"


def find_category(data: Path, category: str) -> Path:
    """The folder of a category: `data/category`, or `data` where it is itself one category.

    '' means the only category that is there.

    Raises:
        CourseError: if there is no such folder (the categories that are there are named), or it
            cannot be read.
    """
    with _readable(data):
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


def load_samples(folder: Path) -> list[Sample]:
    """All images of a category, sorted by split, defect and name; masks are paired by name.

    Raises:
        CourseError: if good training images, good test images or defective ones are missing, a
            folder or link cannot be read, two images share a name, or a mask belongs to no image.
    """
    masks = {path for path in _below(folder / "ground_truth") if path.parent.name != "good"}
    samples = []
    for split in ("train", "test"):
        for path in _below(folder / split):
            mask = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
            has_mask = split == "test" and mask in masks
            samples.append(Sample(path, split, path.parent.name, mask if has_mask else None))
    _require_images(folder, samples)
    _require_pairs(samples, masks)
    return samples


def _below(folder: Path) -> list[Path]:
    """The image files in the folders of a folder, in order."""
    with _readable(folder):
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        shown = [path for path in inside if path.is_dir() and not path.name.startswith(".")]
    return [path for inner in shown for path in image_files(inner)]


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, sorted by name; hidden ones and other files are passed over.

    Raises:
        CourseError: if the folder cannot be read, an image is a link to nothing, or a name is no
            valid text.
    """
    with _readable(folder):
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


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CourseError(
            f"'{error.filename or folder}' cannot be read ({error.strerror or error}); allow it to "
            "be read, or choose another folder."
        ) from error


def _require_pairs(samples: list[Sample], masks: set[Path]) -> None:
    """Refuses two images of one name, which would share a mask, and a mask of no image."""
    seen: dict[tuple[Path, str], Path] = {}
    for sample in samples:
        twin = seen.setdefault((sample.path.parent, sample.path.stem.casefold()), sample.path)
        if twin != sample.path:
            raise CourseError(
                f"'{sample.path}' and '{twin.name}' share a name, so masks cannot be told apart; "
                "rename one of them."
            )
    stray = masks - {sample.mask_path for sample in samples}
    if stray:
        path = min(stray)
        raise CourseError(
            f"'{path}' is the mask of no image: 'test/{path.parent.name}' has none that would make "
            "its mask's name <image>_mask.png; rename the mask, or take it out."
        )


def _require_images(folder: Path, samples: list[Sample]) -> None:
    found = Counter((sample.split, sample.label) for sample in samples)
    for need, least, where, what in (
        (("train", 0), 3, "train/good", "good images to learn from"),
        (("test", 0), 2, "test/good", "good images to test with"),
        (("test", 1), 2, "test/<defect>", "defective images to test with"),
    ):
        if found[need] < least:
            raise CourseError(
                f"'{folder / where}' has {found[need]} images; the course needs at least {least} "
                f"{what} ({', '.join(sorted(IMAGE_TYPES))})."
            )
    if found["train", 1]:
        stray = next(sample for sample in samples if sample.split == "train" and sample.label)
        raise CourseError(
            f"'{stray.path.parent}' lies among the training images, which must all be good; "
            "move it to 'test'."
        )


def select(samples: Iterable[Sample], split: str, label: int | None = None) -> list[Sample]:
    """The samples of a split, and of a label where one is given."""
    return [s for s in samples if s.split == split and (label is None or s.label == label)]


def defect_types(samples: Iterable[Sample]) -> list[str]:
    """'good' first, then the types of defect by name."""
    found = {sample.defect_type for sample in samples}
    return sorted(found, key=lambda name: (name != "good", name))


def count_folders(samples: Iterable[Sample]) -> dict[str, int]:
    """Images in each folder, for example {'train/good': 209, 'test/good': 20, ...}."""
    return dict(Counter(f"{sample.split}/{sample.defect_type}" for sample in samples))


def load_mask(sample: Sample) -> np.ndarray | None:
    """True where the product is defective, shape (height, width); None if no mask is there.

    Raises:
        CourseError: if the mask cannot be read, has not the size of its image, or marks nothing.
    """
    path = sample.mask_path
    if path is None:
        return None
    levels = load_image(path, "black").max(axis=-1)  # (H, W); a coloured mark counts too
    if levels.shape != image_size(sample.path):
        sizes = ["{1}x{0}".format(*shape) for shape in (levels.shape, image_size(sample.path))]
        raise CourseError(
            f"'{path}' has {sizes[0]} pixels and its image {sizes[1]}; draw the mask in the "
            "image's size."
        )
    if levels.max() <= 127:
        raise CourseError(
            f"'{path}' marks no defect: its highest value is {levels.max()}, and defects are "
            "marked with 255; mark it, or take the mask out."
        )
    return levels > 127


def defect_areas(samples: Iterable[Sample]) -> dict[str, np.ndarray]:
    """Share of the image that each masked defect covers, for each defect type one array (N,)."""
    shares: dict[str, list[float]] = {}
    for sample in samples:
        mask = load_mask(sample)
        if mask is not None:
            shares.setdefault(sample.defect_type, []).append(mask.mean())
    return {defect: np.array(values) for defect, values in shares.items()}


def fingerprint(samples: Iterable[Sample]) -> str:
    """A hash of all names and bytes, so that a changed image is noticed: 32 hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    for sample in samples:
        for path in (sample.path, sample.mask_path):
            if path is not None:
                content = hashlib.blake2b(path.read_bytes()).digest()
                digest.update(f"{sample.name}\0".encode() + content)
    return digest.hexdigest()
