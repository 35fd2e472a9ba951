"""Lesson 03: ten steps of gradient descent, with a learning rate to turn."""

import numpy as np

from course_ae.classroom.diagrams.descent import BEST, SPAN, descend, draw_hill, hill
from course_ae.classroom.figures import ORANGE
from course_ae.classroom.widgets.view import Explorer, View, slider

STEPS = 10
LOW, TOP = 1e-3, 1e3  # losses outside are drawn at the border, or not at all


class DescentView(View):
    """The hill with the steps on it, and beside it the loss after each step."""

    def __init__(self):
        super().__init__(9, 3.2)
        left, right = self.figure.subplots(1, 2)
        draw_hill(left)
        (self.steps,) = left.plot([], [], "-o", c=ORANGE, mec="black", lw=1)
        (self.losses,) = right.plot([], [], "-o", c=ORANGE, mec="black", lw=1)
        right.set_yscale("log")
        powers = range(-3, 4)
        right.set_yticks([10.0**n for n in powers], [f"{10.0**n:g}" for n in powers], fontsize=9)
        right.minorticks_off()
        right.set(xlabel="step", ylabel="loss (log)", xlim=(-0.5, STEPS + 0.5), ylim=(LOW, TOP))
        self.moves(self.steps, self.losses)

    def at(self, rate: float = 0.1) -> str:
        """Ten steps with this learning rate."""
        visited = descend(rate, STEPS)
        losses = hill(visited)
        self.steps.set_data(np.clip(visited, *SPAN), np.minimum(losses, 26))
        self.losses.set_data(np.arange(STEPS + 1), np.maximum(losses, 1.2 * LOW))
        if rate > 1:
            what = "each step leaps over the valley and lands higher"
        elif rate == 1:
            what = "it leaps from side to side for ever"
        elif rate > 0.5:
            what = "it leaps from side to side and still comes down"
        elif losses[-1] > losses[0] / 2:
            what = "it walks downhill, but so slowly that it has hardly moved"
        else:
            what = "it walks downhill"
        return (
            f"Learning rate {rate:.2f}: {what}. After {STEPS} steps w is {visited[-1]:.3g} "
            f"(best {BEST:g}), the loss {losses[-1]:.3g} (at first {losses[0]:.3g})."
        )


def descent_explorer() -> Explorer:
    """Turn the learning rate."""
    return Explorer(DescentView(), {"rate": slider(0.01, 1.1, 0.1, "learning rate", 0.01)})
