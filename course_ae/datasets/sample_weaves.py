"""Lesson 01: a drawn weave, a texture without a product and without a background.

Two families of threads, warp and weft, cross in a twill: each thread passes over two others and
under two, one further in each row. Phase, scale, turn and a soft distortion vary from image to
image, and each thread has a width and a brightness of its own, so no two images lie on each other;
what they share is how a weave looks nearby. A defect changes threads, their crossings or their
brightness.

Lengths on the cloth are in threads: u and v (S, S) count across the warp and across the weft.
Colours are RGB in [0, 255], S is the size in pixels.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import gaussian_filter

from course_ae.datasets.drawing import coverage, dust, exposed, outline, shading, smooth_field

COUNTS: dict[str, int] = {
    "train/good": 150,
    "test/good": 24,
    "test/tear": 14,
    "test/thread": 16,
    "test/stain": 14,
}
THREADS = 18.0  # across an image, on the average
N = 40  # threads of each family, more than any image shows
COLOURS = np.float32([(186, 176, 156), (104, 116, 134)])  # of warp and weft
GROUND = np.float32([36, 34, 33])  # what is seen through a hole
LAMP = -2.0  # the direction from which the light comes, in radians


@dataclass(frozen=True)
class Cloth:
    """A weave; of arrays (2, N), the first row is the warp's, the second the weft's."""

    over: np.ndarray  # (N, N) in {-1, 1}: 1 where warp thread i passes over weft thread j
    width: np.ndarray  # (2, N)
    level: np.ndarray  # (2, N), brightness, about 1
    twist: np.ndarray  # (2, N), phase of the yarn in radians
    gap: np.ndarray  # (2, N, 2): the middle of a piece that is missing, and half its length


def weave(rng: np.random.Generator) -> Cloth:
    """A cloth without defects."""
    i, j = np.indices((N, N))
    width, level = rng.normal(1, 0.04, (2, N)), rng.normal(1, 0.035, (2, N))
    twist, gap = rng.uniform(0, 2 * np.pi, (2, N)), np.full((2, N, 2), -1.0)
    whole = (np.where((i - j) % 4 < 2, 1, -1), width, level, twist, gap)
    return Cloth(*(array.astype(np.float32) for array in whole))


def threads(cloth: Cloth, u: np.ndarray, v: np.ndarray, family: int) -> tuple[np.ndarray, ...]:
    """Height and brightness (S, S) of the warp, family 0, or the weft, family 1."""
    across, along, over = (u, v, cloth.over) if family == 0 else (v, u, -cloth.over.T)
    k, crossing = across.astype(int), (along - 0.5).astype(int)
    part = (along - 0.5) % 1
    part *= part * (3 - 2 * part)  # smoothly from one crossing to the next
    before, after = over[k, crossing], over[k, crossing + 1]
    side = (across % 1 - 0.5) / (0.47 * cloth.width[family])[k]  # -1 and 1 at the edges
    height = 0.5 * (before + part * (after - before)) + 0.5 * (1 - side**2)
    middle, half = cloth.gap[family, k].transpose(2, 0, 1)
    height -= 2.5 * np.clip((half - np.abs(along - middle)) / 0.2, 0, 1)
    yarn = np.sin(np.float32(4 * np.pi) * along + 2.5 * side + cloth.twist[family][k])
    return height, cloth.level[family][k] * (1 + 0.04 * yarn)


def paint(cloth: Cloth, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Colours (S, S, 3) of a cloth."""
    (warp, warp_level), (weft, weft_level) = (threads(cloth, u, v, family) for family in (0, 1))
    share = 0.5 * (1 + np.tanh((warp - weft) / 0.12))  # of the warp, in a pixel
    height = np.maximum(warp, weft)
    hole = 0.5 * (1 - np.tanh((height + 0.9) / 0.15))
    height = np.maximum(height, -1)
    lit = 0.70 + 0.30 * height + 0.5 * np.tanh(shading(height * 0.009, LAMP))
    lit *= 1 - hole
    shares = (share * warp_level * lit, (1 - share) * weft_level * lit, hole)
    return np.stack(shares, axis=-1) @ np.stack([*COLOURS, GROUND])


def tear(rng: np.random.Generator, cloth: Cloth, centre: tuple[float, float]) -> Cloth:
    """A hole with a frayed edge: threads that are missing for a piece."""
    gap, radius = cloth.gap.copy(), rng.uniform(0.7, 3.2)
    for family in (0, 1):
        far = np.abs(np.arange(N) + 0.5 - centre[family]) / radius
        half = radius * np.sqrt(np.clip(1 - far**2, 0, None)) * rng.uniform(0.5, 1.5, N)
        middle = centre[1 - family] + rng.normal(0, 0.2, N) * radius
        torn = (far < 1) & (rng.uniform(size=N) < 0.85)  # some threads hold
        torn[int(centre[family])] = True
        gap[family] = np.stack([middle, np.where(torn, half + 0.3, -1)], axis=-1)
    return replace(cloth, gap=gap)


def wrong_thread(rng: np.random.Generator, cloth: Cloth, centre: tuple[float, float]) -> Cloth:
    """A thread that is missing, loose or of another shade, or crossings in the wrong order.

    Another shade changes only the brightness, and another order only the pattern.
    """
    kind = rng.choice(["missing", "loose", "shade", "order"])
    family, half = rng.integers(2), rng.integers(2, 5)
    k, crossing = int(centre[family]), int(centre[1 - family])
    piece = slice(crossing - half, crossing + half)
    if kind == "missing":
        gap = cloth.gap.copy()
        gap[family, k] = centre[1 - family], rng.choice([half, N])
        return replace(cloth, gap=gap)
    if kind == "shade":
        level = cloth.level.copy()
        level[family, k] *= 1 + rng.choice([-1, 1]) * rng.uniform(0.15, 0.35)
        return replace(cloth, level=level)
    over = cloth.over.copy()
    if kind == "loose":
        over[(k, piece) if family == 0 else (piece, k)] = 1 - 2 * family  # passes over all others
    else:  # the twill runs the other way
        block = (slice(k - half, k + half), piece)
        over[block] = over[block][::-1]
    return replace(cloth, over=over)


def stain(rng: np.random.Generator, size: int, spot: np.ndarray) -> np.ndarray:
    """Factors (S, S, 3) by which a stain changes the colours; no pattern changes.

    Its middle `spot` is a point x, y in [0, 1], the size S is in pixels.
    """
    cover = coverage(size, spot + outline(rng, rng.uniform(0.03, 0.10), 0.25))
    cover = gaussian_filter(cover, rng.uniform(0.004, 0.015) * size)
    strength = rng.choice([-1, 1], p=[0.7, 0.3]) * rng.uniform(0.06, 0.40)
    tint = np.float32([1, 1, 1] + rng.uniform(0, 1) * np.array([-0.4, 0, 0.4]))  # oil or coffee
    return 1 + np.float32(strength) * cover[..., None] * tint


def draw(
    rng: np.random.Generator, defect: str = "good", size: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """One piece of cloth, `size` pixels wide; arguments and returns as `samples.draw`."""
    cloth, turn = weave(rng), math.radians(rng.normal(0, 3))
    scale = THREADS * float(np.clip(rng.normal(1, 0.04), 0.9, 1.1))
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size - 0.5
    bend = [0.10 * smooth_field(rng, size, 6) + N / 2 + rng.uniform(0, 4) for _ in range(2)]
    u = scale * (math.cos(turn) * x + math.sin(turn) * y) + bend[0]
    v = scale * (math.cos(turn) * y - math.sin(turn) * x) + bend[1]
    tint = np.float32(1 + rng.normal(0, 0.015, 3))
    good = tint * paint(cloth, u, v)
    lying = np.zeros_like(good)
    dust(rng, lying)
    light = rng.normal(1, 0.03) + rng.normal(0, 0.10) * x + rng.normal(0, 0.10) * y
    light += 0.015 * smooth_field(rng, size, 5)  # the dye is not quite even
    noise = rng.normal(0, 1.0, (size, size)).astype(np.float32)

    defective = good
    if defect != "good":
        spot = rng.uniform(0.15, 0.85, 2)
        column, row = (spot * size).astype(int)
        centre = float(u[row, column]), float(v[row, column])
        if defect == "stain":
            defective = good * stain(rng, size, spot)
        else:
            spoil = tear if defect == "tear" else wrong_thread
            defective = tint * paint(spoil(rng, cloth, centre), u, v)
    return exposed(good + lying, defective + lying, light, noise)
