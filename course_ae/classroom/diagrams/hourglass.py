"""Lesson 03: the autoencoder's shape, wide, narrow, wide, and what images become in it."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from course_ae.classroom.diagrams.shapes import DARK, PALE, arrow, canvas, say
from course_ae.classroom.figures import draw_image, new_figure

SIDES = (227, 55, 27, 13, 6)  # of the images and of the encoder's maps, in pixels
HIGHEST = 2.3  # inches, the image
CODE = 0.17  # inches, the code, clearly smaller than the smallest map


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
        height = CODE if side is None else HIGHEST * (side / sides[0]) ** 0.5
        fill = "orange" if side is None else "blue" if i < len(sides) else "green"
        left, right = (x + wide / 2 + sign * (CODE if side is None else wide) / 2
                       for sign in (-1, 1))  # fmt: skip
        corners = [(left, middle - height / 2), (right, middle - height / 2),
                   (right, middle + height / 2), (left, middle + height / 2)]  # fmt: skip
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


def through_codes(
    good: Sequence[np.ndarray], stained: Sequence[np.ndarray], sizes: Sequence[int],
    off: Sequence[float],
) -> Figure:  # fmt: skip
    """A good image and its stained twin after codes, and below what the stain has added.

    Args:
        good: the image and its reconstructions, (H, W) each.
        stained: the same of its stained twin.
        sizes: how many numbers the code of each reconstruction has.
        off: inside the stains, how far the stained image and its reconstructions are off.
    """
    figure = new_figure(min(9.0, 1.55 * len(good)), 4.8)
    rows = figure.subplots(3, len(good))
    added = [after - before for before, after in zip(good, stained, strict=True)]
    # Few colours, for a small file.
    colours, grays = colormaps["PuOr_r"].resampled(33), colormaps["gray"].resampled(64)
    top = max(0.02, *(np.quantile(np.abs(one), 0.995) for one in added[1:]))
    for axes, one, words in zip(rows[0], good, ["good", *(f"k = {k}" for k in sizes)], strict=True):
        draw_image(axes, one, words, cmap=grays)
    for axes, one in zip(rows[1], stained, strict=True):
        draw_image(axes, one, "stained" if axes is rows[1][0] else "", cmap=grays)
    for axes, one, distance in zip(rows[2], added, off, strict=True):
        words = f"off in stains {distance:.3f}"
        drawn = draw_image(axes, one, words, cmap=colours, vmin=-top, vmax=top)
    bar = figure.colorbar(drawn, ax=rows[2], shrink=0.8, extend="both")
    bar.set_label("added", fontsize=9)
    bar.ax.tick_params(labelsize=9)
    return figure


def on_the_way(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> Figure:
    """Images, a few of their feature maps, and their outputs.

    Args:
        rows: image (H, W), maps (h, w) and output (H, W) of each; a column of maps has one scale.
        titles: of the columns.
    """
    figure = new_figure(1.35 * len(titles), 1.31 * len(rows) + 0.25)
    axes = figure.subplots(len(rows), len(titles), squeeze=False)
    few = {"cmap": colormaps["cividis"].resampled(32), "interpolation": "nearest"}
    for j, title in enumerate(titles):
        column = np.stack([row[j] for row in rows])
        is_map = 0 < j < len(titles) - 1
        scale = {**few, "vmin": column.min(), "vmax": column.max()} if is_map else {}
        for i, one in enumerate(column):
            draw_image(axes[i, j], one, title if i == 0 else "", **scale)
    return figure
