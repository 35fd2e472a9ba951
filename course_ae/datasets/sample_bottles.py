"""Lesson 01: the built-in data set, bottle bottoms drawn by a few formulas.

The pictures have the folders, file names and masks of class `bottle` of MVTec AD (Bergmann et al.,
"MVTec AD: a comprehensive real-world dataset for unsupervised anomaly detection", CVPR 2019), so
that every lesson runs without a download and in the same way on the real images. No pixel comes
from there. Lengths are fractions of the image width, colours are RGB in [0, 255], S is the size.

A bottle is a colour profile over the distance from its centre, disturbed by smooth random fields;
a defect is a shape that is painted over it.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

DEFECTS = ("broken_large", "broken_small", "contamination")
COUNTS: dict[str, int] = {
    "train/good": 180,
    "test/good": 20,
    "test/broken_large": 14,
    "test/broken_small": 14,
    "test/contamination": 14,
}
# Radius, then red, green and blue, from the lit centre over the glass rings to the
# background, which is overexposed as in the real images, hence above 255.
PROFILE = np.array(
    [
        (0.000, 40, 40, 50), (0.190, 33, 33, 45), (0.208, 33, 31, 42), (0.213, 84, 48, 38),
        (0.218, 46, 40, 46), (0.224, 72, 74, 78), (0.231, 42, 46, 52), (0.262, 46, 51, 58),
        (0.273, 66, 72, 76), (0.288, 78, 82, 90), (0.300, 66, 66, 76), (0.314, 62, 62, 72),
        (0.319, 88, 88, 98), (0.325, 60, 59, 69), (0.338, 64, 60, 68), (0.352, 58, 54, 62),
        (0.360, 104, 100, 106), (0.366, 64, 64, 72), (0.378, 62, 62, 70), (0.396, 114, 108, 112),
        (0.408, 92, 90, 97), (0.420, 52, 53, 62), (0.433, 52, 55, 64), (0.441, 96, 100, 106),
        (0.450, 196, 198, 196), (0.460, 262, 262, 259), (0.470, 272, 272, 270),
    ]
)  # fmt: skip
TURN = np.linspace(0, 2 * np.pi, 4096, endpoint=False, dtype=np.float32)  # T angles
# Reflections of the lamps: radius, width, angle in radians, sharpness along the rim, colour.
REFLECTIONS = (
    (0.346, 0.0050, -1.7, 0.6, (160, 62, 8)),
    (0.348, 0.0045, 1.9, 1.2, (140, 60, 16)),
    (0.342, 0.0040, -0.3, 60.0, (190, 165, 70)),
    (0.335, 0.0060, 2.6, 110.0, (190, 200, 185)),
    (0.300, 0.0030, 2.5, 40.0, (100, 110, 105)),
    (0.285, 0.0040, 1.0, 6.0, (40, 52, 50)),
)


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


def glass(rng: np.random.Generator, radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """An undamaged bottle, colours (S, S, 3), for polar coordinates (S, S) around its centre."""
    size = len(radius)
    at = ((angle / (2 * np.pi)) % 1 * len(TURN)).astype(int) % len(TURN)  # (S, S), index in TURN
    wall = np.clip((radius - 0.2) / 0.02, 0, 1)  # 0 in the inner disc, 1 in the glass wall
    # The glass is wavy, so that its rings are not perfect circles; the outer edge is not reached.
    ripple = 0.0008 * smooth_field(rng, size, max(2, size // 12)) * (radius < 0.41)
    bent = radius + wall * (0.0015 * wave(rng, range(1, 5))[at] + ripple)
    bent += rng.normal(0, 0.0025) * np.sin(np.pi * radius / 0.45)  # thicker or thinner rings
    image = np.stack([np.interp(bent, PROFILE[:, 0], c) for c in PROFILE[:, 1:].T], axis=-1)
    image = image.astype(np.float32)

    shade = wall * 0.10 * wave(rng, range(1, 4))[at] + rng.normal(0, 0.06)
    image *= (1 + shade * np.clip((0.46 - bent) / 0.025, 0, 1))[..., None]  # not the background
    grain = np.exp(-(((radius - 0.246) / 0.014) ** 2))  # the knurled band around the inner disc
    image += 8 * (grain * smooth_field(rng, size, max(2, size // 4)))[..., None]
    x, y = rng.normal(0, 0.02, 2)
    spot = (radius * np.cos(TURN)[at] - x) ** 2 + (radius * np.sin(TURN)[at] - y) ** 2
    image += rng.uniform(4, 18) * np.exp(-spot / 0.0035)[..., None]

    turned = TURN - rng.normal(0, 0.12)
    for place, width, direction, sharpness, colour in REFLECTIONS:
        arc = np.exp(sharpness * (np.cos(turned - direction - rng.normal(0, 0.05)) - 1))
        flicker = np.clip(1 + 0.35 * wave(rng, range(5, 45, 8)), 0, 2) * rng.uniform(0.6, 1.1)
        ring = np.exp(-(((bent - place + 0.002 * wave(rng, range(1, 3))[at]) / width) ** 2))
        image += (ring * (arc * flicker)[at])[..., None] * np.float32(colour)
    return image


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


def broken(
    rng: np.random.Generator, centre: np.ndarray, size: int, large: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A piece broken out of the glass wall: paint (S, S, 3) and coverage (S, S), S pixels."""
    span, depth = (rng.uniform(1.3, 2.7), 0.078) if large else (rng.uniform(0.35, 0.8), 0.06)
    along = np.sort(rng.uniform(0, 1, 6 + round(8 * span)))  # jagged: few, uneven corners
    angle = rng.uniform(0, 2 * np.pi) + span * along
    half = depth * np.sqrt(np.clip(np.sin(np.pi * along), 0.1, 1))  # narrow at both ends
    middle = rng.uniform(0.275, 0.31)
    outer = middle + half * rng.uniform(0.7, 1.2, len(angle))
    inner = np.maximum(middle - half * rng.uniform(0.7, 1.2, len(angle)), 0.212)
    corners = np.concatenate([polar(outer, angle), polar(inner, angle)[::-1]])
    cover = coverage(size, centre + corners)
    gray = facets(rng, cover, 18 if large else 7)
    return gray[..., None] * np.float32([0.97, 0.97, 1.06]), cover


def contamination(
    rng: np.random.Generator, centre: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """A flake, a smear, a fibre or specks: paint (S, S, 3) and coverage (S, S), S pixels."""
    kind = rng.choice(["flake", "smear", "fibre", "specks"], p=[0.35, 0.3, 0.15, 0.2])
    spot = centre + polar(rng.uniform(0, 0.11), rng.uniform(0, 2 * np.pi))
    if kind == "fibre":
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.2, 60))
        path = np.cumsum(polar(np.full(60, rng.uniform(0.003, 0.006)), heading), axis=0)
        cover = coverage(size, spot + path - path.mean(axis=0), width=rng.uniform(0.004, 0.012))
    elif kind == "specks":
        spots = spot + rng.normal(0, 0.06, (rng.integers(5, 20), 2))
        cover = coverage(size, *(p + outline(rng, rng.uniform(0.005, 0.022), 0.3) for p in spots))
    else:
        radius = rng.uniform(0.06, 0.12) if kind == "flake" else rng.uniform(0.09, 0.15)
        cover = coverage(size, spot + outline(rng, radius, 0.25))
    level = rng.choice([10, 60, 100, 150, 210], p=[0.1, 0.25, 0.25, 0.2, 0.2])
    gray = level * (1 + 0.15 * smooth_field(rng, size, 9))
    if kind == "flake":
        gray = 0.5 * (gray + facets(rng, cover, 6))  # crumpled
    elif kind == "smear":
        cover = cover * rng.uniform(0.4, 0.9)  # translucent
    tint = np.array([1.0, 0.97, 0.92]) + rng.uniform(0, 1) * np.array([0.25, -0.05, -0.25])
    return gray[..., None] * tint, cover


def draw_bottle(
    rng: np.random.Generator, defect: str = "good", size: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one bottle bottom.

    The bottle is drawn first and the defect after it, from the same generator: the same seed with
    another defect is the same bottle.

    Args:
        rng: source of all randomness.
        defect: "good" or one of `DEFECTS`.
        size: width and height S in pixels.

    Returns:
        The image (S, S, 3) uint8, and the mask (S, S) bool, True where the defect is.

    Raises:
        ValueError: if the defect is not known.
    """
    if defect not in ("good", *DEFECTS):
        raise ValueError(f"unknown defect {defect!r}: choose one of good, {', '.join(DEFECTS)}")
    centre = 0.5 + np.clip(rng.normal(0, 0.0018, 2), -0.01, 0.01)
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    x, y = x - centre[0], y - centre[1]
    radius, angle = np.hypot(x, y) / rng.normal(1, 0.0025), np.arctan2(y, x)
    image = glass(rng, radius, angle)
    light = rng.normal(1, 0.03) + rng.normal(0, 0.06) * x + rng.normal(0, 0.06) * y
    noise = rng.normal(0, 1.5, (size, size)).astype(np.float32)

    cover = np.zeros((size, size), dtype=np.float32)
    if defect != "good":
        if defect == "contamination":
            paint, cover = contamination(rng, centre, size)
        else:
            paint, cover = broken(rng, centre, size, large=defect == "broken_large")
        image += cover[..., None] * (paint - image)
    image = np.clip(image * light[..., None] + noise[..., None], 0, 255)
    return image.round().astype(np.uint8), cover > 0


def write_sample_bottles(
    root: Path, seed: int = 0, size: int = 400, counts: dict[str, int] | None = None
) -> Path:
    """Draw the whole data set into `root / "bottle"`, unless it is there already.

    Args:
        root: folder that holds one folder for each category.
        seed: the same seed draws the same data set.
        size: width and height of the images in pixels.
        counts: number of images for each key of `COUNTS`, which is the default.

    Returns:
        `root`.
    """
    root = Path(root)
    target = root / "bottle"
    if target.exists():
        return root
    root.mkdir(parents=True, exist_ok=True)
    # Drawn beside its place and moved there at the end: a kill never leaves half a data set.
    draft = Path(tempfile.mkdtemp(prefix=".bottle-", dir=root))
    try:
        for place, count in (COUNTS if counts is None else counts).items():
            for index in range(count):
                # A generator for each image, so that no count changes another type's images.
                rng = np.random.default_rng([seed, list(COUNTS).index(place), index])
                write_pair(draft, place, index, *draw_bottle(rng, place.split("/")[1], size))
        draft.chmod(0o755)  # mkdtemp made it private
        draft.replace(target)
    except OSError:
        if not target.exists():  # otherwise somebody else finished first, which is as good
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def write_pair(folder: Path, place: str, index: int, image: np.ndarray, mask: np.ndarray) -> None:
    """Writes an image (S, S, 3), and of a defect its mask (S, S), where MVTec AD has them."""
    files = {folder / place / f"{index:03d}.png": image}
    if mask.any():
        name = f"{index:03d}_mask.png"
        files[folder / "ground_truth" / place.split("/")[1] / name] = mask.astype(np.uint8) * 255
    for path, pixels in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, compress_level=1)
