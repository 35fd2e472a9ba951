"""Lesson 03: gradient descent, downhill on the loss of one weight."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_ae.classroom.figures import BLUE, GREEN, ORANGE, RED, panels

BEST, START = 2.0, -1.5  # the weight with the lowest loss, and the one to begin with
SPAN = (-3.0, 7.0)  # weights that are drawn


def hill(weight: np.ndarray | float) -> np.ndarray | float:
    """The loss of a weight, lowest at `BEST`: one number or an array (N,) of them."""
    return (weight - BEST) ** 2


def descend(rate: float, steps: int, weight: float = START) -> np.ndarray:
    """The weights (S,) that gradient descent visits on the hill, the first one and all `steps`."""
    visited = [weight]
    for _ in range(steps):
        visited.append(visited[-1] - rate * 2 * (visited[-1] - BEST))
    return np.array(visited)


def draw_hill(axes: Axes, lowest: str = "best w") -> None:
    """The loss over the weight; `lowest` is written below the lowest point."""
    weights = np.linspace(*SPAN, 200)
    axes.plot(weights, hill(weights), c=BLUE, lw=2)
    axes.set(xlabel="weight w", ylabel="loss L(w)", xlim=SPAN, ylim=(-4, 27))
    axes.text(BEST, -2.2, lowest, ha="center", va="center", fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([0])


def downhill(rate: float = 0.15, steps: int = 4) -> Figure:
    """Steps down the hill, with the slope at the first one and what a step is made of.

    Args:
        rate: the learning rate.
        steps: how many.
    """
    figure, (axes,) = panels(1, 7, 3.6)
    draw_hill(axes, "best w: flat, gradient 0")
    visited = descend(rate, steps)
    axes.plot(visited, hill(visited), "o", c=ORANGE, ms=8, mec="black", zorder=3)
    for before, after in pairwise(visited):
        axes.annotate("", (after, hill(after)), (before, hill(before)),
                      arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 4})  # fmt: skip
    near = visited[0] + np.array([-1.2, 1.6])
    slope = 2 * (visited[0] - BEST)
    axes.plot(near, hill(visited[0]) + slope * (near - visited[0]), "--", c=RED, lw=1.8)
    beside = {"fontsize": 10, "va": "center"}
    axes.text(visited[0] + 0.35, hill(visited[0]) + 4.5, "slope here: the gradient, steep and "
              "negative,\nso w must grow", color=RED, **beside)  # fmt: skip
    words = "a step: minus learning rate\ntimes gradient"
    axes.text(visited[1] + 0.55, hill(visited[1]) + 2.6, words, **beside)
    return figure


def loss_curves(curves: dict[str, Sequence[float]], xlabel: str = "step") -> Figure:
    """Losses by name over the steps, on a log scale; a diverging one leaves it at the top.

    Args:
        curves: at most three, the losses of each.
        xlabel: what is counted.
    """
    figure, (axes,) = panels(1, 7, 3.4)
    first = next(iter(curves.values()))[0]
    styles = zip((BLUE, GREEN, RED), ("-", "--", "-."), ("o", "s", "^"), strict=True)
    for (name, losses), (colour, line, marker) in zip(curves.items(), styles, strict=False):
        axes.plot(losses, line, marker=marker, ms=4, c=colour, label=name)
    low = max(1e-15, min(1e-6, *(0.3 * min(losses) for losses in curves.values())))
    powers = range(-15, 5, 3)
    axes.set_yscale("log")
    axes.set_yticks([10.0**n for n in powers], [f"{10.0**n:g}" for n in powers], fontsize=9)
    axes.minorticks_off()
    axes.set(xlabel=xlabel, ylabel="loss (log)", ylim=(low, max(1e4, 10 * first)))
    axes.legend(fontsize=9, loc="center right")
    return figure
