"""Lesson 03: windows that move over small pictures, and what lies under them."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_ae.classroom.diagrams.shapes import array, arrow, canvas, frame, say
from course_ae.classroom.figures import BLUE, GREEN, ORANGE, PURPLE, draw_image, panels

CELL = 0.34  # inches, the side of a square with a number
WINDOW_COLOURS = (BLUE, ORANGE, GREEN, PURPLE)


def window(picture: np.ndarray, kernel: np.ndarray, answer: np.ndarray) -> Figure:
    """A kernel at its first and at a later place of a picture, and the two numbers it gives there.

    Args:
        picture: the numbers that the window moves over, (H, W).
        kernel: the numbers of the window, (k, k).
        answer: what the convolution gives, (H - k + 1, W - k + 1).
    """
    side, small, out = (len(numbers) * CELL for numbers in (picture, kernel, answer))
    figure, axes = canvas(8.2, side + 0.9)
    middle = 0.15 + side / 2
    left, centre, right = 0.2, 0.2 + side + 1.2, 0.2 + side + 1.2 + small + 1.7
    array(axes, left, 0.15, picture)
    array(axes, centre, middle - small / 2, kernel)
    array(axes, right, middle - out / 2, answer)
    k = len(kernel)
    for row, column, colour in ((0, 0, BLUE), (1, len(answer[0]) - 2, ORANGE)):
        bottom = 0.15 + side - (row + k) * CELL
        frame(axes, left + column * CELL, bottom, small, small, colour)
        top = middle + out / 2
        frame(axes, right + column * CELL, top - (row + 1) * CELL, CELL, CELL, colour)
    for x, words in ((left + side / 2, "picture"), (centre + small / 2, "kernel"),
                     (right + out / 2, "answer")):  # fmt: skip
        say(axes, x, side + 0.55, words, 11)
    arrow(axes, (left + side + 0.15, middle), (centre - 0.15, middle))
    say(axes, (left + side + centre) / 2, middle + 0.2, "multiply")
    arrow(axes, (centre + small + 0.2, middle), (right - 0.2, middle))
    say(axes, (centre + small + right) / 2, middle + 0.2, "add up nine")
    return figure


def strides(size: int = 7, kernel: int = 3, stride: int = 2, padding: int = 1) -> Figure:
    """The places of a window along one row of pixels, with zeros at both ends.

    Args:
        size: pixels of the row.
        kernel: pixels of the window.
        stride: pixels from one place to the next.
        padding: zeros at each end.
    """
    places = (size + 2 * padding - kernel) // stride + 1
    cell, left = 0.66, 0.95
    width = left + (size + 2 * padding) * cell + 0.15
    figure, axes = canvas(width, 0.75 + 0.32 * places)
    top = 0.32 * places + 0.2
    for i in range(size + 2 * padding):
        inside = padding <= i < padding + size
        axes.add_patch(Rectangle((left + i * cell, top), cell, 0.42, edgecolor="#888888",
                                 facecolor="#D6E6F2" if inside else "white",
                                 linestyle="-" if inside else "--"))  # fmt: skip
        say(axes, left + (i + 0.5) * cell, top + 0.21, f"pixel {i - padding}" if inside else "0", 9)
    for place in range(places):
        y, x = top - 0.24 - 0.32 * place, left + place * stride * cell
        colour = WINDOW_COLOURS[place % len(WINDOW_COLOURS)]
        frame(axes, x + 0.04, y, kernel * cell - 0.08, 0.16, colour)
        say(axes, left - 0.15, y + 0.08, f"place {place}", ha="right")
    return figure


def answers(image: np.ndarray, seen: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """An image (H, W), and what kernels answer to it (h, w) each, white where they answer 0."""
    top = max(np.quantile(np.abs(one), 0.995) for one in seen)
    colours = colormaps["PuOr_r"].resampled(33)  # few of them, for a small file
    figure, axes = panels(1 + len(seen), 6.4, 2.1)
    draw_image(axes[0], image, titles[0])
    for ax, one, title in zip(axes[1:], seen, titles[1:], strict=True):
        drawn = draw_image(ax, one, title, cmap=colours, vmin=-top, vmax=top)
    figure.colorbar(drawn, ax=axes[1:], shrink=0.75, ticks=[0])
    return figure


def pooling(picture: np.ndarray, pooled: np.ndarray, size: int, stride: int) -> Figure:
    """The windows of a pooling, each in the colour of the number that it leaves.

    Args:
        picture: the numbers before, (H, W).
        pooled: the numbers after, (h, w).
        size: side of a window in pixels.
        stride: pixels from one window to the next.
    """
    cell, big = 0.44, 0.56
    height, out = len(picture) * cell, len(pooled) * big
    figure, axes = canvas(0.3 + len(picture[0]) * cell + 2.6 + len(pooled[0]) * big, height + 0.75)
    left, right, bottom = 0.3, 0.3 + len(picture[0]) * cell + 2.3, 0.12
    scale = {"low": picture.min(), "high": picture.max()}  # one gray for a number on both sides
    array(axes, left, bottom, picture, cell, **scale)
    array(axes, right, bottom + (height - out) / 2, pooled, big, **scale)
    for number, (i, j) in enumerate(np.ndindex(pooled.shape)):
        colour, inset = WINDOW_COLOURS[number % len(WINDOW_COLOURS)], 0.025 * (1 + number)
        x, y = left + j * stride * cell, bottom + height - (i * stride + size) * cell
        side = size * cell - 2 * inset
        frame(axes, x + inset, y + inset, side, side, colour)
        y = bottom + (height + out) / 2 - (i + 1) * big
        frame(axes, right + j * big + 0.04, y + 0.04, big - 0.08, big - 0.08, colour)
    middle = bottom + height / 2
    arrow(axes, (left + len(picture[0]) * cell + 0.3, middle), (right - 0.3, middle))
    say(axes, right - 1.15, middle + 0.2, "the largest of nine" if size == 3 else "the largest")
    say(axes, left + len(picture[0]) * cell / 2, height + 0.4, "picture", 11)
    say(axes, right + len(pooled[0]) * big / 2, height + 0.4, "pooled", 11)
    return figure


def stamps(seeds: np.ndarray, kernel: np.ndarray, stride: int) -> Figure:
    """A transposed convolution: the stamp of each input number that is not 0, and their sum.

    Args:
        seeds: the input, (h, w).
        kernel: the stamp, (k, k).
        stride: pixels from one stamp to the next.
    """
    k, (h, w) = len(kernel), seeds.shape
    shape = ((h - 1) * stride + k, (w - 1) * stride + k)
    stamped = []
    for i, j in zip(*np.nonzero(seeds), strict=True):
        one = np.full(shape, np.nan)
        one[i * stride : i * stride + k, j * stride : j * stride + k] = seeds[i, j] * kernel
        stamped.append((f"{seeds[i, j]:g} x kernel", one))
    total = np.nansum([one for _, one in stamped], axis=0)
    cell = 0.27
    side, gap, top = shape[1] * cell, 0.42, max(total.max(), kernel.max())
    small = cell * (w + k)
    figure, axes = canvas(small + 1.5 + (side + gap) * (len(stamped) + 1), shape[0] * cell + 0.7)
    middle, x = 0.12 + shape[0] * cell / 2, 0.2
    for numbers, words in ((seeds, "input"), (kernel, "kernel")):
        array(axes, x, middle - len(numbers) * cell / 2, numbers, cell, low=0, high=top)
        say(axes, x + numbers.shape[1] * cell / 2, shape[0] * cell + 0.4, words, 10)
        x += numbers.shape[1] * cell + gap
    signs = [":", *["+"] * (len(stamped) - 1), "="]
    for sign, (words, numbers) in zip(signs, [*stamped, ("output", total)], strict=True):
        say(axes, x - gap / 2, middle, "" if sign == ":" else sign, 15)
        array(axes, x, 0.12, numbers, cell, low=0, high=top)
        say(axes, x + side / 2, shape[0] * cell + 0.4, words, 10)
        x += side + gap
    return figure


def receptive_fields(image: np.ndarray, fields: dict[str, int]) -> Figure:
    """On an image (H, W), the square that one number in the middle of each layer depends on.

    Args:
        image: the image.
        fields: the side of the square in pixels by the layer's name, from small to large.
    """
    figure, (axes,) = panels(1, 4.9, 3)
    draw_image(axes, image)
    middle = len(image) / 2 - 0.5
    styles = zip(WINDOW_COLOURS, ("-", "--", "-.", ":"), strict=True)
    for (name, side), (colour, line) in zip(fields.items(), styles, strict=False):
        corner = (middle - side / 2, middle - side / 2)
        axes.add_patch(Rectangle(corner, side, side, fill=False, ec=colour, ls=line, lw=2.4,
                                 label=f"{name}: {side} x {side}"))  # fmt: skip
    figure.legend(loc="outside right center", fontsize=10, frameon=False)
    return figure
