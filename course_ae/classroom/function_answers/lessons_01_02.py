"""The functions that students write in lessons 01 and 02."""

from collections.abc import Callable
from typing import Any

import numpy as np

from course_ae.classroom.function_answers.base import FunctionAnswer

FUNCTIONS: dict[str, FunctionAnswer] = {}


# Lesson 01. Masks (H, W) bool; images (N, H, W).


def _box(mask: np.ndarray, last: int = 1) -> tuple[int, int]:
    """Height and width of the box around a mask (H, W), of which the last line counts or not."""
    rows, columns = np.nonzero(mask)
    return rows.max() - rows.min() + last, columns.max() - columns.min() + last


def _masks() -> list[tuple]:
    """A tall defect, a wide one in two pieces, and a single pixel."""
    masks = [np.zeros((40, 50), dtype=bool) for _ in range(3)]
    masks[0][5:25, 10:17] = True
    masks[1][30:33, 4:9], masks[1][35, 40] = True, True
    masks[2][7, 9] = True
    return [(mask,) for mask in masks]


def _restless(images: np.ndarray, by: Callable = np.std) -> tuple[float, ...]:
    """Row, column, lowest and highest value of the pixel where a measure over images is highest."""
    found = by(images, axis=0)
    row, column = np.unravel_index(found.argmax(), found.shape)
    return row, column, images[:, row, column].min(), images[:, row, column].max()


def _swapped(images: np.ndarray) -> tuple[float, ...]:
    row, column, lowest, highest = _restless(images)
    return column, row, lowest, highest


def _stacks() -> list[tuple]:
    """Images of which one pixel varies most, one is the brightest, and one the widest in range."""
    rng = np.random.default_rng(0)
    stacks = []
    for row, column in ((3, 17), (20, 4)):
        images = rng.uniform(0.3, 0.5, (12, 24, 30))
        images[:, 9, 9] = 0.95  # the brightest on average
        images[0, 11, 11], images[1, 11, 11] = 0.0, 1.0  # the widest, but seldom
        images[::2, row, column], images[1::2, row, column] = 0.1, 0.9
        stacks.append((images,))
    return stacks


FUNCTIONS["1.1"] = FunctionAnswer(
    lambda mask: (mask.mean(), *_box(mask)),
    (
        lambda mask: (mask.mean(), *_box(mask, last=0)),
        lambda mask: (mask.mean(), *_box(mask)[::-1]),
        lambda mask: (mask.sum(), *_box(mask)),
    ),
    _masks,
)
FUNCTIONS["1.3"] = FunctionAnswer(
    _restless,
    (
        lambda images: _restless(images, np.mean),
        lambda images: _restless(images, np.ptp),
        lambda images: (*_restless(images)[:2], images.min(), images.max()),
        _swapped,
    ),
    _stacks,
)


# Lesson 02. `original` (N,) tells which original each image comes from.


def _hold_out(
    original: np.ndarray, fraction: float, seed: int, mix: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Places (T,) to train on and (V,) to validate on, with no original in both."""
    names = np.unique(original)
    order = np.random.default_rng(seed).permutation(names) if mix else names
    held = np.isin(original, order[: round(fraction * len(names))])
    return np.flatnonzero(~held), np.flatnonzero(held)


def _hold_out_images(
    original: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(original))
    count = round(fraction * len(original))
    return order[count:], order[:count]


def _split_facts(result: Any, arguments: tuple) -> Any:
    """What is right about a split: all used once, no leak, held-out originals, not mere neighbours.

    What comes after a fault is 0, so that a fault looks the same whatever the split; what is no
    split at all is NaN.
    """
    original = arguments[0]
    if result is None:
        return None
    try:
        train, val = (np.asarray(part, int).ravel() for part in result)
    except (TypeError, ValueError):
        return np.nan
    places = np.sort(np.concatenate([train, val]))
    if len(places) != len(original):
        return np.nan
    if not np.array_equal(places, np.arange(len(original))):
        return [0, 0, 0, 0]
    if np.isin(original[val], original[train]).any():
        return [1, 0, 0, 0]
    held = np.unique(original[val])
    neighbours = len(held) and held.max() - held.min() + 1 == len(held)
    return [1, 1, len(held), int(not neighbours)]


FUNCTIONS["2.1"] = FunctionAnswer(
    _hold_out,
    (
        _hold_out_images,
        lambda original, fraction, seed: _hold_out(original, fraction, seed, mix=False),
        lambda original, fraction, seed: _hold_out(original, fraction, seed)[::-1],
        lambda original, fraction, seed: [original[part] for part in
                                          _hold_out(original, fraction, seed)],
    ),
    lambda: [(np.tile(np.arange(40), 3), 0.25, 0), (np.repeat(np.arange(30), 4), 0.2, 1)],
    _split_facts,
)  # fmt: skip
