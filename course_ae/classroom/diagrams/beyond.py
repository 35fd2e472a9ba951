"""Lesson 08: sealed images, mean and maximum, scales, repairing, bridges, and what PCA adds."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse, Polygon, Rectangle

from course_ae.classroom.diagrams.shapes import DARK, PALE, array, arrow, box, canvas, frame, say
from course_ae.classroom.figures import BLUE, GREEN, ORANGE, RED


def sealed() -> Figure:
    """Which images are learnt from, which choose between ideas, and which stay sealed."""
    figure, axes = canvas(8.6, 2.5)
    parts = (
        ("training images", "good ones", "the network\nlearns from them", "blue"),
        (
            "bench",
            "held-out good ones,\nmost with a painted defect",
            "we choose\nby them",
            "orange",
        ),
        ("test images", "good and defective", "opened once,\nat the very end", "gray"),
    )
    for i, (name, what, use, fill) in enumerate(parts):
        x = 0.2 + 2.85 * i
        box(axes, x, 1.25, 2.5, 1.05, fill=fill)
        say(axes, x + 1.25, 2.03, name, 11, weight="bold")
        say(axes, x + 1.25, 1.6, what)
        arrow(axes, (x + 1.25, 1.12), (x + 1.25, 0.76))
        say(axes, x + 1.25, 0.45, use, 10)
    frame(axes, 5.82, 1.17, 2.66, 1.21, RED)
    return figure


def two_maps(restless: np.ndarray, spot: np.ndarray) -> Figure:
    """Two small difference maps (H, W) with their numbers, and the mean and maximum of each."""
    figure, axes = canvas(7.2, 3.3)
    for x, name, values in ((0.5, "restless everywhere", restless), (4.1, "one spot", spot)):
        cell = 2.1 / len(values)
        array(axes, x, 0.75, values, cell, low=0, high=max(restless.max(), spot.max()))
        say(axes, x + 1.05, 3.05, name, 11, weight="bold")
        say(axes, x + 1.05, 0.4, f"mean {values.mean():.1f}, maximum {values.max():.0f}", 10)
    return figure


def scales(picture: np.ndarray) -> Figure:
    """A picture (32, 32) and its copies of half and a quarter of the size, to one map."""
    figure, axes = canvas(6.9, 3.2)
    x, side, size = 0.3, 1.6, len(picture)
    for i, name in enumerate(("as it is", "half", "a quarter")):
        _gray(axes, x, 1.45, side, picture)
        say(axes, x + side / 2, 1.25, f"{name}: {size // 2**i} pixels wide")
        if i < 2:
            arrow(axes, (x + side + 0.08, 2.1), (x + side + 0.67, 2.1))
            say(axes, x + side + 0.37, 2.4, "mean of\n2 x 2")
        arrow(axes, (x + side / 2, 1.08), (x + side / 2, 0.7))
        picture = picture.reshape(len(picture) // 2, 2, -1, 2).mean(axis=(1, 3))
        x += side + 0.75
    words = "the difference of each, enlarged again; their average is the map"
    box(axes, 0.3, 0.2, 6.3, 0.45, words, "green")
    return figure


def denoising() -> Figure:
    """A clean image is stained, the network draws, and the loss compares with the clean one."""
    figure, axes = canvas(8.8, 2.9)
    y, side = 0.3, 1.25
    _bottle(axes, 0.25, y, side)
    _bottle(axes, 2.75, y, side, stained=True)
    _hourglass(axes, 4.75, y, 1.3, side)
    _bottle(axes, 7.3, y, side)
    steps = ((1.55, 2.7, "paint"), (4.05, 4.7, ""), (6.1, 7.25, "draws"))
    for start, end, word in steps:
        arrow(axes, (start, y + side / 2), (end, y + side / 2))
        say(axes, (start + end) / 2, y + side / 2 + 0.17, word)
    names = ((0.87, "clean image"), (3.37, "with a stain"), (5.4, "network"), (7.92, "repaired?"))
    for x, name in names:
        say(axes, x, 0.14, name, 10)
    box(axes, 3.55, 2.3, 1.7, 0.42, "loss: how different?", "orange")
    arrow(axes, (0.87, 1.6), (3.5, 2.5), connectionstyle="arc3,rad=-0.2", color=BLUE)
    arrow(axes, (7.92, 1.6), (5.3, 2.5), connectionstyle="arc3,rad=0.2", color=BLUE)
    return figure


def bridges() -> Figure:
    """The hourglass with its narrow code, and two bridges that lead around it."""
    figure, axes = canvas(9, 3.1)
    names = ("image", "conv1", "conv2", "conv5", "code", "up5", "up2", "up1", "drawn")
    heights = (1.9, 1.5, 1.15, 0.85, 0.22, 0.85, 1.15, 1.5, 1.9)
    y, wide = 1.35, 0.34
    for i, (name, height) in enumerate(zip(names, heights, strict=True)):
        x = 0.42 + 0.98 * i
        fill = "gray" if i in (0, 8) else "orange" if i == 4 else "blue" if i < 4 else "green"
        axes.add_patch(Rectangle((x, y - height / 2), wide, height, facecolor=PALE[fill],
                                 edgecolor=DARK, linewidth=1))  # fmt: skip
        say(axes, x + wide / 2, 0.14, name, 10)
        if i < 8:
            arrow(axes, (x + wide + 0.06, y), (x + 0.92, y))
    for start, end, rise in ((2, 6, -0.3), (3, 5, -0.4)):
        (x0, y0), (x1, y1) = (
            (0.42 + 0.98 * i + wide / 2, y + heights[i] / 2 + 0.03) for i in (start, end)
        )
        arrow(axes, (x0, y0), (x1, y1), color=RED, linewidth=2,
              connectionstyle=f"arc3,rad={rise}")  # fmt: skip
        say(axes, x1 + 0.28, y1 + 0.03, "+", 12, color=RED)
    middle = 0.42 + 0.98 * 4 + wide / 2
    say(axes, middle, 2.85, "fine detail crosses here, and a stain could, too", 10, color=RED)
    say(axes, middle, y - 0.3, "narrow", 9)
    return figure


def two_pictures() -> Figure:
    """What the denoiser sees, an image minus PCA's picture and that minus the mean, and draws."""
    figure, axes = canvas(9, 4.5)
    side, left, seen, drawn = 0.95, 0.55, 2.75, 7.6
    pictures = ((3.2, "the image"), (1.75, "PCA's picture"), (0.3, "mean of good images"))
    for y, name in pictures:
        say(axes, left + side / 2, y + side + 0.13, name, 10)
    _bottle(axes, left, 3.2, side, stained=True)
    _bottle(axes, left, 1.75, side, blurred=True)
    _bottle(axes, left, 0.3, side, blurred=True, shines=False)
    arrow(axes, (left - 0.07, 3.5), (left - 0.07, 2.4), connectionstyle="arc3,rad=0.45")
    differences = ((2.5, "image - PCA's", (3.7, 2.35)), (0.95, "PCA's - mean", (2.1, 0.75)))
    for y, name, (plus, minus) in differences:
        _difference(axes, seen, y, side, sharp=y > 2)
        say(axes, seen + side / 2, y + side + 0.13, name, 10)
        for start, sign, end in ((plus, "+", 0.7), (minus, "\N{MINUS SIGN}", 0.25)):
            arrow(axes, (left + side + 0.06, start), (seen - 0.06, y + end * side))
            middle = (start + y + end * side) / 2
            say(axes, (left + side + seen) / 2, middle + 0.17, sign, 12, color=BLUE)
        arrow(axes, (seen + side + 0.06, y + side / 2), (4.4, 2.6 if y > 2 else 1.8))
    _hourglass(axes, 4.45, 1.5, 1.5, 1.4)
    say(axes, 5.2, 1.33, "network", 10)
    _bottle(axes, 5.9, 3.25, 0.7, blurred=True)
    say(axes, 6.25, 4.1, "PCA's picture, once more", 10)
    arrow(axes, (6.25, 3.2), (6.6, 2.95), color=ORANGE, linestyle="--")
    arrow(axes, (6.0, 2.45), (6.55, 2.7))
    axes.add_patch(Circle((6.72, 2.82), 0.14, facecolor="white", edgecolor=DARK, linewidth=1))
    say(axes, 6.72, 2.82, "+", 12, color=BLUE)
    arrow(axes, (6.9, 2.82), (drawn - 0.06, 2.82))
    arrow(axes, (6.0, 1.9), (drawn - 0.06, 1.1))
    _bottle(axes, drawn, 2.35, side)
    say(axes, drawn + side / 2, 2.35 + side + 0.13, "repaired image", 10)
    _stain_map(axes, drawn, 0.6, side)
    say(axes, drawn + side / 2, 0.6 + side + 0.13, "where it is stained", 10)
    return figure


def four_folds(folds: int) -> Figure:
    """Several PCAs, each learnt from all parts of the good images but the one that it draws."""
    figure, axes = canvas(8.2, 0.55 * folds + 0.95)
    for i in range(folds):
        y = 0.25 + 0.55 * (folds - 1 - i)
        say(axes, 0.65, y + 0.2, f"PCA {i + 1}", 10, weight="bold")
        for j in range(folds):
            width = 6.6 / folds
            fill, word = ("orange", "draws") if i == j else ("blue", "learns from")
            box(axes, 1.3 + width * j, y, width - 0.12, 0.4, word, fill)
    say(axes, 4.6, 0.55 * folds + 0.55, f"the good images in {folds} parts", 11, weight="bold")
    return figure


def _gray(axes: Axes, x: float, y: float, side: float, picture: np.ndarray) -> None:
    """A picture (H, W) in [0, 1] in a square of a canvas."""
    limits = axes.get_xlim(), axes.get_ylim()
    axes.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=(x, x + side, y, y + side))
    axes.set(xlim=limits[0], ylim=limits[1])


def _disc(
    axes: Axes, middle: Sequence[float], radius: float, color: str, alpha: float = 1.0
) -> None:
    axes.add_patch(Circle(middle, radius, facecolor=color, edgecolor="none", alpha=alpha))


def _bottle(
    axes: Axes,
    x: float,
    y: float,
    side: float,
    stained: bool = False,
    blurred: bool = False,
    shines: bool = True,
) -> None:
    """A bottle from above as discs; blurred, its edges are soft, and a stain may shine through."""
    axes.add_patch(Rectangle((x, y), side, side, facecolor="#D8D8D8", edgecolor=DARK, linewidth=1))
    middle = (x + side / 2, y + side / 2)
    if blurred:
        for i in range(12):
            _disc(axes, middle, side * (0.42 - 0.02 * i), "#333333", 0.16)
    else:
        for radius, color in ((0.4, "#444444"), (0.35, "#B5B5B5"), (0.31, "#333333")):
            _disc(axes, middle, side * radius, color)
    if stained or (blurred and shines):
        _stain(axes, x, y, side, "white" if stained else "#8A8A8A", 1.0 if stained else 0.5)


def _stain(axes: Axes, x: float, y: float, side: float, color: str, alpha: float = 1.0) -> None:
    middle = (x + 0.68 * side, y + 0.36 * side)
    axes.add_patch(Ellipse(middle, 0.3 * side, 0.18 * side, angle=35, facecolor=color,
                           edgecolor="none", alpha=alpha))  # fmt: skip


def _difference(axes: Axes, x: float, y: float, side: float, sharp: bool) -> None:
    """A difference of two bottles, gray where it is 0: sharp edges and a stain, or soft patches."""
    axes.add_patch(Rectangle((x, y), side, side, facecolor="#808080", edgecolor=DARK, linewidth=1))
    middle = (x + side / 2, y + side / 2)
    if sharp:
        for radius, color in ((0.4, "#666666"), (0.37, "#9A9A9A"), (0.32, "#808080")):
            _disc(axes, middle, side * radius, color)
        _stain(axes, x, y, side, "white")
        return
    for i in range(8):
        for share, color in ((-0.16, "#A8A8A8"), (0.16, "#5C5C5C")):
            at = (middle[0] + share * side, middle[1] + share * side)
            _disc(axes, at, side * (0.24 - 0.02 * i), color, 0.12)
    _stain(axes, x, y, side, "#B4B4B4", 0.5)


def _stain_map(axes: Axes, x: float, y: float, side: float) -> None:
    axes.add_patch(Rectangle((x, y), side, side, facecolor="#00224E", edgecolor=DARK, linewidth=1))
    _stain(axes, x, y, side, "#FEE838")


def _hourglass(axes: Axes, x: float, y: float, width: float, height: float) -> None:
    """The outline of an autoencoder, narrow in its middle, where the code is."""
    low, high, middle = y, y + height, y + height / 2
    half, narrow = x + width / 2, 0.12 * height
    corners = [(x, low), (x, high), (half, middle + narrow), (x + width, high),
               (x + width, low), (half, middle - narrow)]  # fmt: skip
    axes.add_patch(Polygon(corners, facecolor=PALE["green"], edgecolor=GREEN, linewidth=1.5))
