"""Lesson 02: from image files to the network's input, (N, 1, 227, 227) float32 in [0, 1]."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from course_ae.data import Sample, fingerprint
from course_ae.settings import Settings
from course_ae.support.errors import CourseError
from course_ae.support.files import cache_folder, read_arrays, replace_file
from course_ae.support.images import open_image

IMAGE_SIZE = 227  # AlexNet's input: every layer fits without a remainder, and the last map is 6x6
DECODING = 2  # raised when the same file gives other pixels than before, so that no cache is stale


def to_gray(image: Image.Image) -> Image.Image:
    """One channel: 0.299 red + 0.587 green + 0.114 blue, the eye's sensitivity (ITU-R 601-2)."""
    return image if image.mode == "L" else image.convert("RGB").convert("L")


def resize(image: Image.Image) -> Image.Image:
    """227x227 pixels, each the weighted mean of the pixels it covers (antialiasing).

    An image that is not square is squeezed: nothing is cut off, but circles become ellipses.
    """
    return image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BILINEAR)


def resize_mask(mask: np.ndarray | None) -> np.ndarray | None:
    """A mask (H, W) at 227x227, True where most of the pixel is defective; None stays None."""
    return None if mask is None else np.asarray(resize(Image.fromarray(mask).convert("L"))) > 127


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 images (N, 227, 227) to float32 (N, 1, 227, 227) in [0, 1]."""
    return torch.tensor(images).unsqueeze(1).float() / 255


def preprocess(path: Path) -> np.ndarray:
    """One image file, gray and resized: uint8, shape (227, 227).

    Raises:
        CourseError: if the file cannot be read as an image.
    """
    return np.asarray(resize(to_gray(open_image(path))))


def load_images(
    samples: Iterable[Sample], progress: Callable[[Iterable], Iterable] = iter
) -> np.ndarray:
    """All samples preprocessed, uint8 (N, 227, 227), from the cache where they are unchanged.

    The cache's name is a hash of the files' names and bytes, so a changed file is decoded anew.

    Args:
        samples: what to load.
        progress: wraps the samples while they are decoded, for example in a progress bar.

    Raises:
        CourseError: if a file cannot be read as an image, or the cache cannot be written.
    """
    samples = list(samples)
    name = f"{fingerprint(samples)}-{IMAGE_SIZE}-{DECODING}.npy"
    cache = cache_folder() / "preprocessed" / name
    with suppress(CourseError):  # a damaged cache is made again
        images = read_arrays(cache)["array"]
        if images.shape == (len(samples), IMAGE_SIZE, IMAGE_SIZE) and images.dtype == np.uint8:
            return images
    images = np.stack([preprocess(sample.path) for sample in progress(samples)])
    with replace_file(cache) as part:
        np.save(part, images)
    return images


def with_flips(x: Tensor) -> Tensor:
    """Originals, their horizontal and their vertical flips: (N, 1, H, W) to (3N, 1, H, W)."""
    return torch.cat([x, x.flip(-1), x.flip(-2)])


def split_train_val(count: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the images to train on, (T,), and to validate on, (V,), each sorted.

    Split the originals with this BEFORE flipping: otherwise a flipped twin of a validation image
    is trained on, and the validation loss no longer tells how the network does on new images.
    `fraction` is the share to validate on.

    Raises:
        CourseError: if fewer than two images would be left to train on.
    """
    val = max(1, round(fraction * count))
    if count - val < 2:
        raise CourseError(
            f"Of {count} good training images {val} would be held out for validation, which "
            "leaves too few to train on; lower 'val_fraction' or add images."
        )
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[val:]), np.sort(order[:val])


@dataclass(frozen=True)
class Images:
    """The network's input, float32 (N, 1, 227, 227) in [0, 1]."""

    good: Tensor  # all good training images
    train: Tensor  # those trained on
    val: Tensor  # those that watch the training
    train_augmented: Tensor  # those trained on, with their flips where the settings say so
    val_augmented: Tensor  # those that watch, likewise
    test: Tensor

    @property
    def mean(self) -> Tensor:
        """The mean image of the images trained on, (1, 1, 227, 227)."""
        return self.train.mean(dim=0, keepdim=True)


def split_images(good: Tensor, test: Tensor, settings: Settings) -> Images:
    """Good images (N, 1, 227, 227), split into train and val and then flipped, and test images.

    Raises:
        CourseError: if fewer than two images would be left to train on.
    """
    train, val = split_train_val(len(good), settings.val_fraction, settings.seed)
    flip = with_flips if settings.flips else torch.clone
    return Images(good, good[train], good[val], flip(good[train]), flip(good[val]), test)
