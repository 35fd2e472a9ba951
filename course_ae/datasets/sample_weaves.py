"""Lesson 01: a drawn weave, a texture without a product and without a background.

Two families of threads, warp and weft, cross in a twill: each thread passes over two others and
under two, one further in each row. Phase, scale, turn and a soft distortion vary from image to
image, and each thread has a width and a brightness of its own, so no two images lie on each other;
what they share is how a weave looks nearby. A defect changes threads, their crossings or their
colour.

Lengths are in threads: u and v are coordinates (S, S) across the warp and across the weft. Colours
are RGB in [0, 255], S is the size in pixels.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from course_ae.datasets.drawing import coverage, exposed, outline, shading, smooth_field

DEFECTS = ("tear", "thread", "stain")
COUNTS: dict[str, int] = {
    "train/good": 150,
    "test/good": 24,
    "test/tear": 14,
    "test/thread": 16,
    "test/stain": 14,
}
THREADS = 18.0  # across the image, on the average
N = 40  # threads of each family that are drawn: more than any image shows
COLOURS = np.float32([(176, 166, 146), (92, 104, 122)])  # of warp and weft
GROUND = np.float32([34, 32, 31])  # what is seen through a hole
LAMP = -2.0  # the direction from which the light comes, in radians


@dataclass(frozen=True)
class Cloth:
    """A weave, and what a defect may change in it; arrays (2, N) hold warp and weft."""

    over: np.ndarray  # (N, N) in {-1, 1}: 1 where warp thread i passes over weft thread j
    widths: np.ndarray  # (2, N), of the threads
    levels: np.ndarray  # (2, N), their brightness
    twists: np.ndarray  # (2, N), phases of their yarn
    gaps: list[tuple[int, int, float, float]] = field(default_factory=list)
    # Family, thread, from where to where it is missing.


def at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Values (N, N) or (2, N)[k] between threads, smoothly from one thread to the next."""


