"""What all drawn products are made of: smooth random fields, curves, outlines and facets.

Lengths are fractions of the image width, S is its size in pixels.
"""

import math

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

TURN = np.linspace(0, 2 * np.pi, 4096, endpoint=False, dtype=np.float32)  # T angles


def smooth_field(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Unit normal noise on cells x cells points, enlarged smoothly to (S, S) pixels."""
    coarse = rng.normal(size=(cells, cells)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))


def wave(rng: np.random.Generator, orders: range) -> np.ndarray:
    """A random closed curve over the angles `TURN`, (T,): one cosine an order, each one weaker."""
    phases = rng.uniform(0, 2 * np.pi, len(orders)).astype(np.float32)
    return sum(
        np.cos(order * TURN + phase) / rank
        for rank, (order, phase) in enumerate(zip(orders, phases, strict=True), start=1)
    )


def coverage(size: int, *outlines: np.ndarray, width: float = 0.0) -> np.ndarray:
    """How much of each pixel the outlines cover, (S, S) in [0, 1].

    Outlines are (N, 2) points x, y in [0, 1]; they are filled, or with a width drawn as lines.
    """
    fine = 4 * size  # drawn four times too large and averaged: smooth edges
    canvas = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(canvas)
    for corners in outlines:
        points = [tuple(point) for point in np.round(corners * fine).tolist()]
        if width:
            draw.line(points, fill=255, width=max(4, round(width * fine)), joint="curve")
        else:
            draw.polygon(points, fill=255)
    small = canvas.resize((size, size), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / 255


def polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points x, y (N, 2) from distances and angles (N,)."""
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def outline(rng: np.random.Generator, radius: float, rough: float) -> np.ndarray:
    """A closed irregular outline of this mean radius around 0, points x, y (64, 2)."""
    bumps = rough * wave(rng, range(1, 9))[::64] + rng.normal(0, rough / 8, 64)
    return polar(radius * np.clip(1 + bumps, 0.3, 2), TURN[::64])


def facets(rng: np.random.Generator, cover: np.ndarray, count: int) -> np.ndarray:
    """Gray levels (S, S) of `count` tilted facets with cracks between them, where cover > 0."""
    size = len(cover)
    rows, columns = np.nonzero(cover)
    bend = np.stack([smooth_field(rng, size, 10)[rows, columns] for _ in range(2)], axis=-1)
    points = np.stack([columns, rows], axis=-1) / size + 0.02 * bend  # (N, 2), for curved faces
    seeds = points[rng.integers(len(points), size=count)]
    distance, nearest = cKDTree(seeds).query(points, k=2)  # both (N, 2)
    face = nearest[:, 0]

    level = rng.choice([30, 60, 95, 150, 225], size=count, p=[0.2, 0.25, 0.2, 0.15, 0.2])
    tilt = rng.normal(0, 450, (count, 2))
    gray = level[face] + ((points - seeds[face]) * tilt[face]).sum(axis=-1)
    crack = np.exp(-(((distance[:, 1] - distance[:, 0]) / 0.004) ** 2))  # 1 between two faces
    gray += crack * rng.choice([-30, 0, 30, 130], size=count, p=[0.3, 0.3, 0.25, 0.15])[face]
    gray *= 1 + 0.12 * smooth_field(rng, size, max(2, size // 7))[rows, columns]
    paint = np.zeros((size, size), dtype=np.float32)
    paint[rows, columns] = np.clip(gray, 12, 255)
    return paint


def dust(rng: np.random.Generator, image: np.ndarray) -> None:
    """Up to four faint specks, painted on the image (S, S, 3): no defect, only what lies about."""
    size = len(image)
    for _ in range(rng.integers(0, 5)):
        speck = rng.uniform(0.1, 0.9, 2) + outline(rng, rng.uniform(0.002, 0.005), 0.2)
        image += (rng.normal(0, 14) * coverage(size, speck))[..., None]


def shading(height: np.ndarray, lamp: float) -> np.ndarray:
    """Slope (S, S) of a surface towards a lamp, for heights (S, S) in image widths.

    Above 0 where the surface faces the lamp, which stands in the direction `lamp`, in radians.
    """
    down, right = np.gradient(height * len(height))
    return -(math.cos(lamp) * right + math.sin(lamp) * down)


def exposed(
    good: np.ndarray, defective: np.ndarray, light: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The photograph of a defective product, and the mask (S, S) of where it differs.

    Args:
        good: colours (S, S, 3) of the product without the defect.
        defective: colours (S, S, 3) of the same product with it, or `good` itself.
        light: brightness (S, S) by which both are multiplied.
        noise: gray levels (S, S) that are added to both.

    Returns:
        The image (S, S, 3) uint8, which is that of the good product where the two differ by less
        than a gray level, and the mask (S, S) bool, True where they differ by more.
    """
    mask = np.abs((defective - good) * light[..., None]).max(axis=-1) > 1
    image = np.where(mask[..., None], defective, good)
    image = np.clip(image * light[..., None] + noise[..., None], 0, 255)
    return image.round().astype(np.uint8), mask
