"""Lesson 01: from a folder in MVTec AD's layout to a list of samples.

The layout is that of Bergmann et al., "MVTec AD: a comprehensive
real-world dataset for unsupervised anomaly detection" (CVPR 2019):

    <root>/<category>/train/good/000.png
    <root>/<category>/test/good/000.png, test/<defect>/000.png
    <root>/<category>/ground_truth/<defect>/000_mask.png
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_ae.support.errors import CourseError
from course_ae.support.folders import images_below, require_own_names
from course_ae.support.images import IMAGE_TYPES, image_size, load_image


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


def load_samples(folder: Path) -> list[Sample]:
    """All images of a category, sorted by split, defect and name; masks are paired by name.

    Raises:
        CourseError: if good training images, good test images or defective ones are missing, a
            folder or link cannot be read, two images share a name, or a mask belongs to no image.
    """
    masks = {path for path in images_below(folder / "ground_truth") if path.parent.name != "good"}
    samples = []
    for split in ("train", "test"):
        for path in images_below(folder / split):
            mask = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
            has_mask = split == "test" and mask in masks
            samples.append(Sample(path, split, path.parent.name, mask if has_mask else None))
    _require_images(folder, samples)
    _require_pairs(samples, masks)
    return samples


def _require_pairs(samples: list[Sample], masks: set[Path]) -> None:
    """Refuses two images of one name, which would share a mask, and a mask of no image."""
    require_own_names(sample.path for sample in samples)
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
