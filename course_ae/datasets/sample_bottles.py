"""Lesson 01: drawn bottle bottoms, seen from above, like class `bottle` of MVTec AD.

They move more than the real ones do: place, size, turn, tint and light vary from image to image. A
mean image cannot hold that and a code of a few numbers can, so there is something to learn. A
bottle is a colour profile over the distance from its centre; what belongs to the glass turns with
it, the lamps' reflections stay. A defect is a shape that is painted over it.

Lengths are fractions of the image width, colours are RGB in [0, 255], S is the size in pixels.
"""

import numpy as np

from course_ae.datasets.drawing import (
    TURN,
    coverage,
    dust,
    facets,
    outline,
    polar,
    smooth_field,
    wave,
)

COUNTS: dict[str, int] = {
    "train/good": 180,
    "test/good": 30,
    "test/broken_large": 20,
    "test/broken_small": 14,
    "test/contamination": 26,
}
# Radius, then red, green and blue, from the lit centre over the glass rings to the
# background, which is bright but, unlike in the real images, not overexposed.
PROFILE = np.array(
    [
        (0.000, 40, 40, 50), (0.190, 33, 33, 45), (0.208, 33, 31, 42), (0.213, 84, 48, 38),
        (0.218, 46, 40, 46), (0.224, 72, 74, 78), (0.231, 42, 46, 52), (0.262, 46, 51, 58),
        (0.273, 66, 72, 76), (0.288, 78, 82, 90), (0.300, 66, 66, 76), (0.314, 62, 62, 72),
        (0.319, 88, 88, 98), (0.325, 60, 59, 69), (0.338, 64, 60, 68), (0.352, 58, 54, 62),
        (0.360, 104, 100, 106), (0.366, 64, 64, 72), (0.378, 62, 62, 70), (0.396, 114, 108, 112),
        (0.408, 92, 90, 97), (0.420, 52, 53, 62), (0.433, 52, 55, 64), (0.441, 96, 100, 106),
        (0.450, 162, 164, 162), (0.460, 205, 205, 202), (0.470, 212, 212, 210),
    ]
)  # fmt: skip
DEPTH = np.linspace(0, 1, 8192, endpoint=False, dtype=np.float32)  # R radii
SCALE = 0.9  # of a bottle, so that it has room to move
SIZES, PLACES = 0.015, 0.012  # standard deviations of the size and of the centre
TINTS = np.array([1.0, 0.6, 1.0])  # how much each colour varies
# Reflections of the lamps: radius, width, angle in radians, sharpness along the rim, colour.
REFLECTIONS = (
    (0.346, 0.0050, -1.7, 0.6, (160, 62, 8)),
    (0.348, 0.0045, 1.9, 1.2, (140, 60, 16)),
    (0.342, 0.0040, -0.3, 60.0, (190, 165, 70)),
    (0.335, 0.0060, 2.6, 110.0, (190, 200, 185)),
    (0.300, 0.0030, 2.5, 40.0, (100, 110, 105)),
    (0.285, 0.0040, 1.0, 6.0, (40, 52, 50)),
)
# Marks of the mould: radius, width, angle in radians, sharpness along the rim, relative strength.
MARKS = (
    (0.385, 0.010, 0.0, 30.0, 0.9),  # the seam, and two of a code of dots
    (0.385, 0.008, 0.9, 150.0, 0.9),
    (0.385, 0.008, 1.2, 150.0, 0.9),
    (0.247, 0.012, 2.6, 4.0, -0.45),  # a dark crescent on the inner band
    (0.415, 0.014, -1.6, 10.0, 0.8),  # a worn stretch of the rim
)
MOULD = 0.0018 * wave(np.random.default_rng(7), range(1, 5))  # (T,), how its rings are bent


def glass(
    rng: np.random.Generator, radius: np.ndarray, angle: np.ndarray, turn: float
) -> np.ndarray:
    """An undamaged bottle, colours (S, S, 3), for polar coordinates (S, S) around its centre.

    What belongs to the glass is turned with it by `turn`, in radians; the lamps' reflections stay.
    """
    step = ((angle / (2 * np.pi)) % 1 * len(TURN)).astype(np.int32) % len(TURN)  # index in TURN
    turned = (step - round(turn / (2 * np.pi) * len(TURN))) % len(TURN)
    wall = np.clip((radius - 0.2) / 0.02, 0, 1)  # 0 in the inner disc, 1 in the glass wall
    # The mould's rings are no perfect circles, and the same in each bottle but for its turn.
    bent = radius + wall * MOULD[turned]
    bent += np.float32(rng.normal(0, 0.0025)) * np.sin(np.pi * radius / 0.45)  # thicker rings
    depth = np.clip(bent * len(DEPTH), 0, len(DEPTH) - 1).astype(np.int32)  # (S, S) index in DEPTH
    image = np.stack([np.interp(DEPTH, PROFILE[:, 0], c) for c in PROFILE[:, 1:].T], axis=-1)
    image = image.astype(np.float32)[depth]

    lit = np.cos(TURN - rng.uniform(0, 2 * np.pi)) * rng.uniform(0, 0.15) + rng.normal(0, 0.06)
    inside = np.clip((0.46 - DEPTH) / 0.025, 0, 1)[depth]  # not the background
    factor = 1 + wall * inside * lit.astype(np.float32)[step]
    for place, width, direction, sharpness, strength in MARKS:
        factor *= 1 + strength * ring(place, width)[depth] * arc(direction, sharpness)[turned]
    image *= factor[..., None]
    x, y = np.float32(rng.normal(0, 0.03, 2))
    spot = (radius * np.cos(angle) - x) ** 2 + (radius * np.sin(angle) - y) ** 2
    image += (rng.uniform(4, 22) * np.exp(-spot / np.float32(0.0035)))[..., None]

    swing, glow = rng.normal(0, 0.2), rng.uniform(0.5, 1.2)  # all lamps together
    for place, width, direction, sharpness, colour in REFLECTIONS:
        flicker = np.clip(1 + 0.12 * wave(rng, range(5, 45, 8)), 0, 2) * np.float32(glow)
        shine = ring(place, width)[depth] * (arc(direction + swing, sharpness) * flicker)[step]
        image += shine[..., None] * np.float32(colour)
    if rng.uniform() < 0.3:  # a broad gleam on the rim, which is no defect
        gleam = rng.uniform(15, 50) * arc(rng.uniform(0, 2 * np.pi), rng.uniform(8, 30))
        image += (ring(0.4, 0.02)[depth] * gleam.astype(np.float32)[step])[..., None]
    return image


def ring(place: float, reach: float) -> np.ndarray:
    """A bell curve over the radii `DEPTH`, (R,)."""
    return np.exp(-(((DEPTH - place) / reach) ** 2))


def arc(direction: float, sharpness: float) -> np.ndarray:
    """A bell curve over the angles `TURN`, (T,)."""
    return np.exp(np.float32(sharpness) * (np.cos(TURN - np.float32(direction)) - 1))


def broken(
    rng: np.random.Generator, image: np.ndarray, centre: np.ndarray, scale: float, large: bool
) -> tuple[np.ndarray, np.ndarray]:
    """A piece broken out of the glass wall: paint (S, S, 3) and coverage (S, S)."""
    size = len(image)
    span, depth = (rng.uniform(1.2, 2.7), 0.08) if large else (rng.uniform(0.35, 0.8), 0.06)
    along = np.sort(rng.uniform(0, 1, 6 + round(8 * span)))  # jagged: few, uneven corners
    angle = rng.uniform(0, 2 * np.pi) + span * along
    half = depth * np.sqrt(np.clip(np.sin(np.pi * along), 0.1, 1))  # narrow at both ends
    middle = rng.uniform(0.275, 0.31)
    outer = middle + half * rng.uniform(0.7, 1.2, len(angle))
    inner = np.maximum(middle - half * rng.uniform(0.7, 1.2, len(angle)), 0.212)
    corners = np.concatenate([polar(outer, angle), polar(inner, angle)[::-1]])
    cover = coverage(size, centre + scale * corners)
    gray = facets(rng, cover, 18 if large else 7)
    # A small break may be a shallow chip, through which the glass below is seen.
    cover = cover * (rng.uniform(0.7, 1) if large else rng.uniform(0.4, 1))
    return gray[..., None] * np.float32([0.97, 0.97, 1.06]), cover


def contamination(
    rng: np.random.Generator, image: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Something that lies on the glass: paint (S, S, 3) and coverage (S, S).

    A flake, a smear, a fibre and specks have another colour and another pattern; a film changes
    only the brightness, and a scuff only the pattern.
    """
    size, kinds = len(image), ("flake", "smear", "fibre", "specks", "film", "scuff")
    kind = rng.choice(kinds, p=[0.2, 0.2, 0.1, 0.15, 0.2, 0.15])
    far = rng.uniform(0, 0.1) if rng.uniform() < 0.6 else rng.uniform(0.2, 0.32)
    spot = centre + polar(far, rng.uniform(0, 2 * np.pi))
    radius = rng.uniform(0.06, 0.15)
    if kind == "fibre":
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.2, 60))
        path = np.cumsum(polar(np.full(60, rng.uniform(0.003, 0.006)), heading), axis=0)
        cover = coverage(size, spot + path - path.mean(axis=0), width=rng.uniform(0.006, 0.012))
    elif kind == "specks":
        spots = spot + rng.normal(0, 0.05, (rng.integers(7, 20), 2))
        cover = coverage(size, *(p + outline(rng, rng.uniform(0.006, 0.018), 0.3) for p in spots))
    else:
        cover = coverage(size, spot + outline(rng, radius, 0.25))
    if kind == "film":
        return image + rng.choice([-1, 1], p=[0.3, 0.7]) * rng.uniform(16, 45), cover
    if kind == "scuff":
        fine = smooth_field(rng, size, size // 5) - smooth_field(rng, size, size // 15)
        return image + (rng.uniform(14, 35) * fine)[..., None], cover
    level = rng.choice([5, 75, 105, 150, 210], p=[0.1, 0.25, 0.25, 0.2, 0.2])
    gray = level * (1 + 0.15 * smooth_field(rng, size, 9))
    if kind == "flake":
        gray = 0.5 * (gray + facets(rng, cover, 6))  # crumpled
    elif kind == "smear":
        cover = cover * rng.uniform(0.3, 0.9)  # translucent
    tint = np.array([1.0, 0.97, 0.92]) + rng.uniform(0, 1) * np.array([0.25, -0.05, -0.25])
    return gray[..., None] * tint, cover


def draw(
    rng: np.random.Generator, defect: str = "good", size: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """One bottle bottom, `size` pixels wide; arguments and returns as `samples.draw`."""
    scale = SCALE * float(np.clip(rng.normal(1, SIZES), 0.93, 1.07))
    centre = 0.5 + np.clip(rng.normal(0, PLACES, 2), -0.05, 0.05)
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    x, y = x - np.float32(centre[0]), y - np.float32(centre[1])
    radius, angle = np.hypot(x, y) / scale, np.arctan2(y, x)
    image = glass(rng, radius, angle, rng.uniform(0, 2 * np.pi))
    image *= np.float32(1 + rng.normal(0, 0.02, 3) * TINTS)
    dust(rng, image)
    gain, across, down = np.float32(rng.normal((1, 0, 0), (0.015, 0.03, 0.03)))
    light = gain + across * x + down * y
    noise = rng.normal(0, 1.0, (size, size)).astype(np.float32)

    cover = np.zeros((size, size), dtype=np.float32)
    if defect != "good":
        if defect == "contamination":
            paint, cover = contamination(rng, image, centre)
        else:
            paint, cover = broken(rng, image, centre, scale, large=defect == "broken_large")
        image += cover[..., None] * (paint - image)
    image = np.clip(image * light[..., None] + noise[..., None], 0, 255)
    return image.round().astype(np.uint8), cover > 0
