"""Lesson 04: the training loop, and when it stops."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, NullLocator

from course_ae.classroom.diagrams.shapes import DARK, arrow, box, canvas, say
from course_ae.classroom.figures import (
    BLUE,
    LOSS_STYLES,
    ORANGE,
    RED,
    draw_image,
    new_figure,
    panels,
)
from course_ae.experiment.recorded import LOSS_NAMES
from course_ae.ssim import K2

STEPS = (
    ("a batch x", "some images,\nat random", "gray"),
    ("draw", "x̂ = model(x)", "blue"),
    ("compare", "value =\nloss(x̂, x)", "blue"),
    ("which way?", "value.backward():\na gradient for\nevery weight", "orange"),
    ("step", "optimizer.step():\neach weight a\nlittle downhill", "green"),
)


def loop() -> Figure:
    """What happens to each batch, and the way back to the next one."""
    figure, axes = canvas(9, 2.3)
    width, gap = 1.48, 0.32
    for i, (name, what, fill) in enumerate(STEPS):
        x = 0.15 + i * (width + gap)
        box(axes, x, 0.85, width, 0.95, what, fill)
        say(axes, x + width / 2, 1.98, name, 10, weight="bold")
        if i:
            arrow(axes, (x - gap, 1.32), (x, 1.32))
    first, last = 0.15 + width / 2, 0.15 + 4 * (width + gap) + width / 2
    axes.plot([last, last, first], [0.85, 0.4, 0.4], color=DARK, lw=1.2)
    arrow(axes, (first, 0.4), (first, 0.85))
    say(axes, 4.5, 0.2, "the next batch; once through all images is an epoch")
    return figure


def patience(losses: Sequence[float], patience: int, stopped: int, best: int) -> Figure:
    """Validation losses epoch by epoch, and how long the training has waited at each.

    Args:
        losses: one an epoch, also those that no longer happen.
        patience: epochs without a lower loss before the training stops.
        stopped: the epoch after which it stops, counted from 1.
        best: the epoch whose weights are kept.
    """
    figure, (axes,) = panels(1, 8, 2.9)
    epochs = range(1, len(losses) + 1)
    axes.plot(epochs[:stopped], losses[:stopped], "-o", c=BLUE, label="validation loss")
    axes.plot(epochs[stopped:], losses[stopped:], "o", mfc="none", c=BLUE, label="never happens")
    lowest = before = float("inf")
    waited = 0
    for epoch, loss in zip(epochs[:stopped], losses, strict=False):
        waited = 0 if loss < lowest else waited + 1
        place = (-4, -19) if loss < before else (-8, 9)  # beside the line, not on it
        axes.annotate(f"waits {waited}" if waited else "best", (epoch, loss), place,
                      textcoords="offset points", ha="center")  # fmt: skip
        lowest, before = min(lowest, loss), loss
    axes.plot(best, losses[best - 1], "*", c=RED, ms=15, label="weights that are kept")
    label = f"stops: waited {patience}" if waited == patience else "the last epoch"
    axes.axvline(stopped + 0.5, color=ORANGE, ls="--", label=label)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.margins(x=0.06, y=0.22)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def faint(pictures: dict[float, np.ndarray], lengths: dict[str, Sequence[float]]) -> Figure:
    """Pictures that are fainter and fainter, and how long each loss's gradient is for them.

    Args:
        pictures: (H, W) in [0, 1] by their contrast, the standard deviation of their pixels, from
            the strongest to the faintest; the first, the middle and the last one are shown.
        lengths: by the name of a loss one number a picture; drawn as multiples of the first.
    """
    figure = new_figure(9, 2.9)
    *images, axes = figure.subplots(1, 4, width_ratios=(1, 1, 1, 2.6))
    contrasts = list(pictures)
    for image, contrast in zip(images, contrasts[:: len(contrasts) // 2], strict=True):
        draw_image(image, pictures[contrast], f"contrast {contrast:g}")
    for (name, found), mark in zip(lengths.items(), "os", strict=True):
        colour, line = LOSS_STYLES[name]
        axes.plot(contrasts, np.array(found) / found[0], line, c=colour, marker=mark,
                  label=LOSS_NAMES[name])  # fmt: skip
    axes.axvline(K2, color="black", ls=":", lw=1.2, label="root of c₂")
    axes.set(xscale="log", yscale="log", xlabel="contrast of the picture (log)",
             ylabel="gradient, times the first (log)")  # fmt: skip
    axes.invert_xaxis()
    axes.xaxis.set_major_locator(FixedLocator(contrasts[::2]))
    axes.yaxis.set_major_locator(LogLocator())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(lambda value, _: f"{value:g}")  # see `figures.literal`
    axes.legend(fontsize=9)
    return figure
