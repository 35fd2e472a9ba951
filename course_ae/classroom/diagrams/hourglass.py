"""Lesson 03: the autoencoder's shape, wide, narrow, wide."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from course_ae.classroom.diagrams.shapes import DARK, PALE, arrow, canvas, say

SIDES = (227, 55, 27, 13, 6)  # of the images and of the encoder's maps, in pixels
HIGHEST = 2.3  # inches, the image


def hourglass(code: int, sides: Sequence[int] = SIDES) -> Figure:
    """Encoder, code and decoder with the sides of their maps.

    Args:
        code: numbers in the code.
        sides: of the image and of the maps that follow in the encoder, in pixels; the decoder's
            come in the opposite order.
    """
    figure, axes = canvas(9, 3.5)
    wide, gap, middle = 0.34, 0.4, 1.95
    both = [*sides, None, *sides[::-1]]
    x = (9 - len(both) * wide - (len(both) - 1) * gap) / 2
    for i, side in enumerate(both):
        height = 0.34 if side is None else HIGHEST * (side / sides[0]) ** 0.5
        fill = "orange" if side is None else "blue" if i < len(sides) else "green"
        corners = [(x, middle - height / 2), (x + wide, middle - height / 2),
                   (x + wide, middle + height / 2), (x, middle + height / 2)]  # fmt: skip
        axes.add_patch(Polygon(corners, facecolor=PALE[fill], edgecolor=DARK))
        if side is None:
            say(axes, x + wide / 2, middle - 0.42, f"code\n{code:,}\nnumbers", 9, va="top")
        else:
            say(axes, x + wide / 2, middle - height / 2 - 0.17, f"{side}x{side}", 9)
        if i + 1 < len(both):
            arrow(axes, (x + wide + 0.06, middle), (x + wide + gap - 0.06, middle))
        x += wide + gap
    quarter = 9 / 4
    say(axes, quarter, 3.3, "encoder E: smaller and smaller maps", 10)
    say(axes, 9 - quarter, 3.3, "decoder D: larger and larger maps", 10)
    say(axes, 0.75, 0.22, "image x", 10)
    say(axes, 9 - 0.75, 0.22, "drawn again", 10)
    return figure
