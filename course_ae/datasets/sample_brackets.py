"""Lesson 01: drawn brackets, a product without symmetry that lies anywhere and at any angle.

A stamped metal bracket has two arms of different length, a large and a small hole, a slot, a
stamped mark and a lip that is bent up. Place and angle are uniform over all that keep it inside the
image: there is no mean image and no small number of directions in which these images vary. Its
size, its tint and the light vary a little. The lamp is fixed to the table, so edges, lip and sheen
are bright or dark by how the bracket is turned. A defect changes the bracket's outline, its relief
or its brightness.

The bracket is a signed distance, below 0 in the metal, in coordinates that are turned with it; the
relief of its surface is a height. Lengths are fractions of the image width, colours are RGB in
[0, 255], S is the size in pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from course_ae.datasets.drawing import (
    coverage,
    dust,
    exposed,
    outline,
    polar,
    shading,
    smooth_field,
)

COUNTS: dict[str, int] = {
    "train/good": 250,
    "test/good": 60,  # of fewer, the best detectors and chance cannot be told apart
    "test/wrong_hole": 30,
    "test/bent": 42,
    "test/scratch": 60,
}
WIDTHS = (0.135, 0.155)  # of the two arms, which meet at the origin
LIP = 0.220  # where the lip begins, from the origin along the second arm
# Holes: arm, place along it, half the length, radius. The large one lies where the arms meet.
HOLES = ((0, 0.0, 0.0, 0.040), (0, 0.185, 0.046, 0.020), (0, 0.360, 0.0, 0.024))
MARK = ((0.105, -0.036), (0.105, 0.026), (0.155, -0.022), (0.155, 0.036))  # of a stamped N
LAMP = -2.2  # the direction from which the light comes, in radians: from the upper left
BEND = 0.30  # the most by which an arm is bent, in radians
TABLE, METAL = np.float32([203, 204, 200]), np.float32([128, 131, 135])


@dataclass(frozen=True)
class Shape:
    """What a defect may change in the outline of a bracket."""

    lengths: tuple[float, float] = (0.435, 0.305)  # of the arms, from the origin
    angles: tuple[float, float] = (0.0, np.pi / 2)  # of the arms, in radians
    holes: tuple[float, float, float] = (1.0, 1.0, 1.0)  # size of each hole, 0 if it is not there


def along(x: np.ndarray, y: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (S, S) in a frame that is turned by an angle in radians: along and across."""
    right, up = math.cos(angle), math.sin(angle)
    return right * x + up * y, right * y - up * x


def metal(x: np.ndarray, y: np.ndarray, shape: Shape) -> np.ndarray:
    """Signed distance (S, S) to the bracket's outline, for coordinates (S, S) in its frame."""
    arms, plates, corner = [along(x, y, angle) for angle in shape.angles], [], 0.022
    for (u, v), end, width, start in zip(arms, shape.lengths, WIDTHS, WIDTHS[::-1], strict=True):
        middle, half = (end - start / 2) / 2, (end + start / 2) / 2
        right, up = np.abs(u - middle) - half + corner, np.abs(v) - width / 2 + corner
        outside = np.hypot(np.maximum(right, 0), np.maximum(up, 0))
        plates.append(outside + np.minimum(np.maximum(right, up), 0) - corner)
    near = np.maximum(0.04 - np.abs(plates[0] - plates[1]), 0) * ((x > 0) & (y > 0))
    distance = np.minimum(*plates) - near**2 / 0.16  # a fillet in the inner corner
    for (arm, place, half, radius), size in zip(HOLES, shape.holes, strict=True):
        if size:
            u, v = arms[arm]
            end = np.hypot(np.maximum(np.abs(u - place) - half * size, 0), v)
            distance = np.maximum(distance, radius * size - end)
    return distance


def segment(x: np.ndarray, y: np.ndarray, a: Sequence[float], b: Sequence[float]) -> np.ndarray:
    """Distance (S, S) to the straight line between two points."""
    (left, low), (right, high) = np.float32([a, b])
    u, v = along(x - left, y - low, math.atan2(high - low, right - left))
    return np.hypot(u - np.clip(u, 0, math.hypot(high - low, right - left)), v)


def relief(x: np.ndarray, y: np.ndarray, distance: np.ndarray, shape: Shape) -> np.ndarray:
    """Height (S, S) of the metal: round edges, the lip, and the mark, which is stamped into it."""
    height = -0.003 * np.exp(np.minimum(distance, 0) / 0.004)
    u, v = along(x, y, shape.angles[1])
    bent = np.maximum(u - LIP, 0)
    height += 0.25 * bent**2 / (bent + 0.008)  # flat first, then a slope
    lines = [segment(u, v, *ends) for ends in pairwise(MARK)]
    return height - 0.0012 * np.exp(-((np.minimum.reduce(lines) / 0.006) ** 2))


@dataclass(frozen=True)
class Scene:
    """A bracket on the table: all that is the same with and without a defect."""

    x: np.ndarray  # (S, S), in the frame of the bracket
    y: np.ndarray
    turn: float  # radians
    lamp: float  # radians, in the frame of the image
    tint: np.ndarray  # (3,), of the metal
    brush: np.ndarray  # (S, S), gray levels: how the metal was brushed

    def paint(self, shape: Shape, height: np.ndarray, stain: np.ndarray) -> np.ndarray:
        """Colours (S, S, 3); `height` is added to the relief, `stain` multiplies the metal."""
        size = len(self.x)
        distance = metal(self.x, self.y, shape)
        right, up = np.float32(polar(np.float32(0.016), self.lamp - self.turn))
        gap = metal(self.x + right, self.y + up, shape)  # what keeps the lamp from the table
        shadow = np.clip(0.5 - gap / 0.03, 0, 1)
        image = TABLE * (1 - 0.42 * shadow**2 * (3 - 2 * shadow))[..., None]
        slope = shading(relief(self.x, self.y, distance, shape) + height, self.lamp)
        sheen = 1 + 0.10 * math.cos(2 * (self.turn - self.lamp))  # of metal brushed along an arm
        gloss = 0.4 * along(self.x, self.y, self.lamp - self.turn)[0]
        gray = (sheen + gloss + 0.75 * np.tanh(slope)) * stain
        surface = gray[..., None] * METAL * self.tint + self.brush[..., None]
        return image + np.clip(0.5 - distance * size, 0, 1)[..., None] * (surface - image)


def scene(rng: np.random.Generator, size: int) -> Scene:
    """A bracket that lies anywhere, at any angle; the size S is in pixels."""
    turn, scale = rng.uniform(0, 2 * np.pi), float(np.clip(rng.normal(1, 0.03), 0.92, 1.08))
    # The middle of an arm's end, with its corners, also if it is bent; its whole circle fits.
    ends = [
        polar(length - 0.06, turn + angle + bend)
        for length, angle in zip(Shape.lengths, Shape.angles, strict=True)
        for bend in (-BEND, 0, BEND)
    ]
    points, room = scale * np.array([(0, 0), *ends]), scale * 0.105 + 0.01
    x, y = rng.uniform(room - points.min(axis=0), 1 - room - points.max(axis=0)).tolist()
    rows, columns = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    u, v = along((columns - x) / scale, (rows - y) / scale, turn)
    streaks = rng.normal(0, 1.0, 400).astype(np.float32)
    brush = np.interp(v, np.linspace(-1.5, 1.5, 400), streaks).astype(np.float32)
    tint = np.float32(1 + rng.normal(0, 0.05) + rng.normal(0, 0.015, 3))
    return Scene(u, v, turn, LAMP + rng.normal(0, 0.08), tint, brush)


def wrong_shape(rng: np.random.Generator, defect: str) -> Shape:
    """A bracket with a hole that is missing or too small, or an arm that is bent or too short."""
    shape, arm = Shape(), rng.integers(2)
    if defect == "wrong_hole":
        holes = [1.0, 1.0, 1.0]
        holes[rng.integers(3)] = 0.0 if rng.uniform() < 0.75 else rng.uniform(0.3, 0.7)
        return replace(shape, holes=tuple(holes))
    if rng.uniform() < 0.35:
        lengths = np.array(shape.lengths)
        lengths[arm] -= rng.uniform(0.03, 0.20)
        return replace(shape, lengths=tuple(lengths.tolist()))
    angles = np.array(shape.angles)
    angles[arm] += rng.choice([-1, 1]) * rng.uniform(0.06, BEND)
    return replace(shape, angles=tuple(angles.tolist()))


def scratch(rng: np.random.Generator, here: Scene) -> tuple[np.ndarray, np.ndarray]:
    """What has happened to the surface: a height (S, S) that is added, and a stain (S, S).

    A scratch and a dent are seen by their edges; a scuff changes only the pattern, and a stain only
    the brightness. Each is anything from barely visible to gross.
    """
    size, kinds = len(here.x), ("scratch", "dent", "scuff", "stain")
    kind = rng.choice(kinds, p=[0.3, 0.2, 0.2, 0.3])
    rows, columns = np.nonzero(metal(here.x, here.y, Shape()) < -0.012)
    row, column = rows[at := rng.integers(len(rows))], columns[at]
    place = np.array([here.x[row, column], here.y[row, column]])
    far = np.hypot(here.x - place[0], here.y - place[1])
    height, stain = np.zeros_like(far), np.ones_like(far)
    if kind == "scratch":
        half = polar(rng.uniform(0.025, 0.16), rng.uniform(0, np.pi))
        line = np.exp(-((segment(here.x, here.y, place - half, place + half) / 0.004) ** 2))
        height -= rng.uniform(0.001, 0.008) * line
        stain += rng.uniform(0.1, 0.9) * line
    elif kind == "dent":
        height -= rng.uniform(0.005, 0.03) * np.exp(-((far / rng.uniform(0.014, 0.05)) ** 2))
    else:
        spot = np.array([column, row]) / size + outline(rng, rng.uniform(0.035, 0.12), 0.25)
        if kind == "scuff":
            fine = smooth_field(rng, size, size // 4)
            height += rng.uniform(0.0008, 0.003) * coverage(size, spot) * fine
        else:
            change = rng.choice([-1, 1], p=[0.6, 0.4]) * rng.uniform(0.12, 0.7)
            stain += np.float32(change) * coverage(size, spot)
    return height, stain


def draw(
    rng: np.random.Generator, defect: str = "good", size: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """One bracket, `size` pixels wide; arguments and returns as `samples.draw`."""
    here = scene(rng, size)
    plain = np.zeros_like(here.x), np.ones_like(here.x)
    good = here.paint(Shape(), *plain)
    lying = np.zeros_like(good)
    dust(rng, lying)
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size - 0.5
    light = rng.normal(1, 0.025) + rng.normal(0, 0.06) * x + rng.normal(0, 0.06) * y
    for _ in range(rng.integers(0, 3)):  # a reflection from somewhere in the room
        spot = np.hypot(x - rng.uniform(-0.5, 0.5), y - rng.uniform(-0.5, 0.5))
        light += rng.uniform(0.01, 0.04) * np.exp(-((spot / rng.uniform(0.1, 0.3)) ** 2))
    noise = rng.normal(0, 1.0, (size, size)).astype(np.float32)

    defective = good
    if defect == "scratch":
        defective = here.paint(Shape(), *scratch(rng, here))
    elif defect != "good":
        defective = here.paint(wrong_shape(rng, defect), *plain)
    return exposed(good + lying, defective + lying, light, noise)
