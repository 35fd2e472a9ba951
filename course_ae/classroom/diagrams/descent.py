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


def draw_hill(axes: Axes) -> None:
    """The loss over the weight."""
    weights = np.linspace(*SPAN, 200)
    axes.plot(weights, hill(weights), c=BLUE, lw=2)
    axes.set(xlabel="weight w", ylabel="loss L(w)", xlim=SPAN, ylim=(-1, 27))
    axes.set_xticks([BEST], ["best w"])
    axes.set_yticks([0])


def downhill(rate: float = 0.15, steps: int = 4) -> Figure:
    """Steps down the hill, with the slope at the first one and what a step is made of.

    Args:
        rate: the learning rate.
        steps: how many.
    """
    figure, (axes,) = panels(1, 7, 3.6)
    draw_hill(axes)
    visited = descend(rate, steps)
    axes.plot(visited, hill(visited), "o", c=ORANGE, ms=8, mec="black", zorder=3)
    for before, after in pairwise(visited):
        axes.annotate("", (after, hill(after)), (before, hill(before)),
                      arrowprops={"arrowstyle": "-|>", "color": "black", "shrinkA": 4})  # fmt: skip
    near = visited[0] + np.array([-0.75, 0.75])
    slope = 2 * (visited[0] - BEST)
    axes.plot(near, hill(visited[0]) + slope * (near - visited[0]), "--", c=RED, lw=1.8)
    beside = {"fontsize": 10, "va": "center"}
    axes.text(visited[0] + 0.35, hill(visited[0]) + 4.5, "slope here: the gradient, steep and "
              "negative,\nso w must grow", color=RED, **beside)  # fmt: skip
    words = "a step: minus learning rate\ntimes gradient"
    axes.text(visited[1] + 0.55, hill(visited[1]) + 2.6, words, **beside)
    axes.text(BEST, 2.4, "flat: gradient 0", ha="center", fontsize=10)
    return figure


def loss_curves(curves: dict[str, Sequence[float]], xlabel: str = "step") -> Figure:
    """Losses by name over the steps, on a log scale that ends where a diverging one leaves it.

    Args:
        curves: at most three, the losses of each.
        xlabel: what is counted.
    """
    figure, (axes,) = panels(1, 7, 3.4)
    first = next(iter(curves.values()))[0]
    styles = zip((BLUE, GREEN, RED), ("-", "--", "-."), ("o", "s", "^"), strict=True)
    for (name, losses), (colour, line, marker) in zip(curves.items(), styles, strict=False):
        axes.plot(losses, line, marker=marker, ms=4, c=colour, label=name)
    powers = range(-6, 5)
    axes.set_yscale("log")
    axes.set_yticks([10.0**n for n in powers], [f"{10.0**n:g}" for n in powers], fontsize=9)
    axes.minorticks_off()
    axes.set(xlabel=xlabel, ylabel="loss (log)", ylim=(3e-7, max(1e4, 10 * first)))
    axes.legend(fontsize=9, loc="center right")
    return figure
