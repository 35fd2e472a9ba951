"""Lesson 02: from a photograph to the network's input, and how flips leak."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_ae.classroom.diagrams.shapes import arrow, box, canvas, say
from course_ae.classroom.diagrams.tiles import bottle, letter, picture
from course_ae.classroom.figures import BLUE, GREEN, ORANGE, RED

INKS = {"F": BLUE, "L": ORANGE, "P": GREEN}  # the colour of an original and of its twins
TILE, STEP = 0.36, 0.42  # inches: a letter, and from one to the next


def pipeline(height: int, width: int) -> Figure:
    """Each step with its shape and its range.

    Args:
        height: of the photograph, in pixels.
        width: of the photograph, in pixels.
    """
    figure, axes = canvas(9, 2.55)
    gray = bottle(120)
    colour = np.clip(gray[..., None] * np.array([1.08, 0.94, 0.74]), 0, 1)
    small = bottle(24)
    steps = (
        ("photograph", f"({height}, {width}, 3)", "uint8, 0 to 255", colour, 1.0),
        ("gray", f"({height}, {width})", "uint8, 0 to 255", gray, 1.0),
        ("small", "(227, 227)", "uint8, 0 to 255", small, 0.72),
        ("tensor", "(1, 1, 227, 227)", "float32, 0 to 1", small, 0.72),
    )
    verbs = ("weigh red,\ngreen, blue", "average\nneighbours", "divide\nby 255")
    for i, (name, shape, values, pixels, side) in enumerate(steps):
        middle = 1.0 + 2.33 * i
        picture(axes, middle - side / 2, 1.68 - side / 2, side, pixels)
        say(axes, middle, 0.95, name, 10, weight="bold")
        say(axes, middle, 0.66, shape, 9.5, family="monospace")
        say(axes, middle, 0.38, values, 9.5)
        if i < len(verbs):
            arrow(axes, (middle + 0.58, 1.68), (middle + 1.75, 1.68))
            say(axes, middle + 1.165, 2.0, verbs[i], 9.5)
    return figure


def twins() -> Figure:
    """Flip first and then hold out, above; hold out first and then flip, below."""
    figure, axes = canvas(9, 3.35)
    letters = list(INKS)
    for x, title in ((0.9, "originals"), (4.15, "trained on"), (7.85, "held out")):
        say(axes, x, 3.15, title, 10, weight="bold")
    everything = [(name, flip) for name in letters for flip in range(3)]
    leaked = [("F", 1), ("L", 2), ("P", 0)]
    learnt = [one for one in everything if one not in leaked]
    _row(axes, 2.1, "flip first, then hold out", letters, learnt, leaked, "twins of learnt images")
    learnt = [one for one in everything if one[0] != "P"]
    held = [("P", flip) for flip in range(3)]
    _row(axes, 0.65, "hold out first, then flip", letters, learnt, held, "no twin is learnt")
    return figure


def _row(
    axes: Axes, y: float, title: str, letters: Sequence[str],
    learnt: Sequence[tuple[str, int]], held: Sequence[tuple[str, int]], verdict: str,
) -> None:  # fmt: skip
    bad = verdict != "no twin is learnt"
    say(axes, 0.2, y + 0.62, title, 10, ha="left", color=RED if bad else GREEN, weight="bold")
    for i, name in enumerate(letters):
        _tile(axes, 0.28 + STEP * i, y, name, 0)
    arrow(axes, (1.62, y + TILE / 2), (2.65, y + TILE / 2))
    for i, (name, flip) in enumerate(learnt):
        _tile(axes, 2.85 + STEP * i, y, name, flip)
    for i, (name, flip) in enumerate(held):
        _tile(axes, 7.22 + STEP * i, y, name, flip)
    box(axes, 6.55, y - 0.52, 2.4, 0.36, verdict, "orange" if bad else "green")


def _tile(axes: Axes, x: float, y: float, name: str, flip: int) -> None:
    """A letter as it is, mirrored left to right (1) or upside down (2), framed in its colour."""
    pixels = (letter(name), letter(name)[:, ::-1], letter(name)[::-1])[flip]
    picture(axes, x, y, TILE, pixels, border=INKS[name], thick=2.2)
