"""A first look at a set of photographs: has the course a chance with them? In plain advice."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

from course_ae.data import Sample, select
from course_ae.datasets.mvtec_ad import OFFICIAL
from course_ae.support.images import image_size

LITTLE = 32  # pixels, the side of the thumbnails that are compared
STILL, RESTLESS = 0.95, 0.8  # likeness to the mean image: a shift of 4 % of the side, and of 10 %
TWINS = 0.25  # of the usual distance to the nearest other image: the same picture, saved again
DARK, BRIGHT = 20, 245  # gray levels of 0 to 255


def first_look(samples: list[Sample], pixels: np.ndarray) -> Iterator[str]:
    """What to know before a training, one sentence each.

    Args:
        samples: all images of a category.
        pixels: the same preprocessed, uint8 (N, 227, 227).
    """
    train = np.array([sample.split == "train" for sample in samples])
    little = _thumbnails(pixels)
    yield from _enough(samples)
    yield _aligned(little[train])
    yield from _twins(samples, little, train)
    yield from _shapes(select(samples, "train"))
    mean = pixels[train].mean()
    if mean < DARK:
        yield (
            f"The images are nearly black (mean {mean:.0f} of 255); a camera with 10 or 12 bits "
            "may have used a small part of a file's 16: stretch the gray levels first."
        )
    elif mean > BRIGHT:
        yield f"The images are nearly white (mean {mean:.0f} of 255); expose them shorter."


def _thumbnails(pixels: np.ndarray) -> np.ndarray:
    """Small copies without their mean brightness: uint8 (N, H, W) to float64 (N, 1024)."""
    small = [Image.fromarray(image).resize((LITTLE, LITTLE), Image.Resampling.BOX)
             for image in pixels]  # fmt: skip
    flat = np.stack([np.asarray(image, dtype=float).ravel() for image in small])
    return flat - flat.mean(axis=1, keepdims=True)


def _enough(samples: list[Sample]) -> Iterator[str]:
    least = OFFICIAL["toothbrush"]  # the smallest category of MVTec AD
    for *part, needed, what, why in (
        ("train", 0, least.train, "good images to train with", "expect a weaker network"),
        ("test", 0, least.test_good, "good images to test with", "false alarms will be a guess"),
        ("test", 1, sum(least.defects.values()), "defective images", "missed ones will be a guess"),
    ):
        count = len(select(samples, *part))
        if count < needed:
            yield f"Few {what}: {count}; MVTec AD's smallest category has {needed}, so {why}."
    if lack := no_pixel_figures(samples):
        yield f"{lack.capitalize()}."


def no_pixel_figures(samples: list[Sample]) -> str:
    """Why there are none: defective images without a mask; nothing where each has one."""
    defective = select(samples, "test", 1)
    bare = sum(sample.mask_path is None for sample in defective)
    told = f"no pixel figures: {bare} of {len(defective)} defective images have no mask"
    return told if bare else ""


def _aligned(little: np.ndarray) -> str:
    """How much a thumbnail (N, P) is like the mean of the others: the median correlation."""
    others = (little.sum(axis=0) - little) / (len(little) - 1)  # (N, P)
    lengths = np.linalg.norm(little, axis=1) * np.linalg.norm(others, axis=1)
    found = np.median((little * others).sum(axis=1) / lengths.clip(min=1e-12))
    told = f"a good image is like the mean of the others by {found:.2f} (1 is equal)"
    if found >= STILL:
        return f"The product lies still: {told}."
    if found >= RESTLESS:
        return f"The product moves: {told}; crop the images to it, in one direction and size."
    return (
        f"The product moves or turns a lot, or is a texture: {told}. An autoencoder finds this "
        "hard; crop and turn the images alike where you can."
    )


def _twins(samples: list[Sample], little: np.ndarray, train: np.ndarray) -> Iterator[str]:
    """Training images that are in the test as well: the test would be too easy."""
    squares = (little**2).mean(axis=1)
    mixed = 2 * little[train] @ little.T / little.shape[1]
    distance = np.sqrt((squares[train, None] + squares - mixed).clip(min=0))  # (T, N)
    among = distance[:, train] + np.diag(np.full(train.sum(), np.inf))
    same = max(1e-3, TWINS * np.median(among.min(axis=1)))
    rows, columns = np.nonzero(distance[:, ~train] < same)
    if len(rows):
        trained, tested = np.flatnonzero(train)[rows], np.flatnonzero(~train)[columns]
        yield (
            f"{len(set(tested))} test images are also among the training images, for example "
            f"'{samples[tested[0]].name}' and '{samples[trained[0]].name}'; take them out of one."
        )


def _shapes(samples: list[Sample]) -> Iterator[str]:
    sizes = [image_size(sample.path) for sample in samples]
    aspects = {round(width / height, 2) for height, width in sizes}
    if max(aspects) > 1.05 * min(aspects):
        yield (
            f"The images have different shapes, {min(aspects)} to {max(aspects)} times as wide as "
            "high, and each is squeezed to a square; crop them to one shape."
        )
