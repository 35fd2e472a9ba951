"""Sliders of the lessons: thin ipywidgets layers over views that work without them.

A view draws its figure once and afterwards moves only what changes; `at` returns the figure and the
same in a sentence. The lesson shows the view first, for readers without a running kernel.
"""

from html import escape

import ipywidgets as w
import numpy as np
from matplotlib.figure import Figure

from course_ae.figures import (
    BLUE,
    RED,
    confusion_matrix,
    draw_image,
    new_figure,
    png,
    scatter_scores,
    steps_of,
)
from course_ae.pipeline import Scores
from course_ae.thresholds import Confusion, confusion, f_normal


class ThresholdView:
    """What a threshold does to one part: scatter, confusion matrix, F-curve, wrong verdicts.

    The figure is drawn once; `at` only moves what changes, so that a slider feels direct.

    Args:
        scores: the scored test images.
        images: the test images, uint8 (N, 227, 227), to show the wrongly judged ones.
        kind: which score, 'l2' or 'ssim'.
        part: 'validation' or 'test'.
    """

    SHOWN = 8  # wrongly judged images, at most

    def __init__(self, scores: Scores, images: np.ndarray, kind: str, part: str = "validation"):
        self.scores, self.images = scores, images
        self.index = getattr(scores, part)
        self.values, self.labels = scores.part(kind, part)
        self.figure = new_figure(10, 5.4)
        self.figure.set_layout_engine("none")
        grid = self.figure.add_gridspec(
            1, 3, left=0.07, right=0.98, top=0.93, bottom=0.45, width_ratios=(2.2, 1, 1.5),
            wspace=0.3,
        )  # fmt: skip
        left, middle, right = (self.figure.add_subplot(cell) for cell in grid)
        scatter_scores(left, scores, kind, part)
        left.legend(fontsize=7, loc="upper left")
        self.line = left.axhline(self.values.mean(), color="black", ls="--", lw=1.4)
        self.counts = confusion_matrix(middle, Confusion(0, 0, 0, 0))
        steps = steps_of(self.values)
        curve = [f_normal(confusion(self.values, self.labels, t)) for t in steps]
        right.step(steps, curve, where="post", color=BLUE)
        (self.marker,) = right.plot(steps[:1], curve[:1], "o", color=RED, ms=9)
        right.set_title("F on the normal class", fontsize=10)
        right.set_xlabel("threshold")
        right.set_ylim(-0.05, 1.05)
        self._add_pictures()

    def _add_pictures(self) -> None:
        blank = np.full_like(self.images[0], 255)
        grid = self.figure.add_gridspec(1, self.SHOWN, left=0.03, right=0.98, top=0.27,
                                        bottom=0.02, wspace=0.08)  # fmt: skip
        axes = [self.figure.add_subplot(cell) for cell in grid]
        self.pictures = [(ax, draw_image(ax, blank)) for ax in axes]

    def at(self, threshold: float) -> tuple[Figure, str]:
        """The figure with the threshold moved, and the same in a sentence."""
        counts = confusion(self.values, self.labels, threshold)
        f = f_normal(counts)
        self.line.set_ydata([threshold, threshold])
        self.marker.set_data([threshold], [f])
        for text, name, value in zip(self.counts, ("TN", "FP", "FN", "TP"), counts, strict=True):
            text.set_text(f"{name}\n{value}")
        wrong = np.flatnonzero((self.values > threshold) != (self.labels == 1))
        for slot, (axes, picture) in enumerate(self.pictures):
            picture.set_visible(slot < len(wrong))
            axes.set_title("", fontsize=7)
            if slot < len(wrong):
                i = self.index[wrong[slot]]
                picture.set_data(self.images[i])
                axes.set_title(self._verdict(i), fontsize=7)
        shown = f", {self.SHOWN} of them shown" if len(wrong) > self.SHOWN else ""
        return self.figure, (
            f"Threshold {threshold:.5f}: TN {counts.tn}, FP {counts.fp}, FN {counts.fn}, "
            f"TP {counts.tp}; F on the normal class {f:.3f}; "
            f"{len(wrong)} images wrongly judged{shown}."
        )

    def _verdict(self, i: int) -> str:
        kind = "missed defect" if self.scores.labels[i] else "false alarm"
        return "\n".join([kind, *self.scores.names[i].split("/")[1:]])


def threshold_explorer(
    scores: Scores, images: np.ndarray, kind: str, threshold: float, part: str = "validation"
) -> w.VBox:
    """A slider and a number box for the threshold over one `ThresholdView`.

    Args:
        scores: the scored test images.
        images: the test images, uint8 (N, 227, 227).
        kind: which score, 'l2' or 'ssim'.
        threshold: where the slider starts.
        part: 'validation' or 'test'.
    """
    view = ThresholdView(scores, images, kind, part)
    low, high = float(view.values.min()), float(view.values.max())
    step = (high - low) / 400 or 0.01
    # The browser moves a slider to whole steps from its lowest value: `threshold` must be one.
    below, above = (int(abs(end - threshold) / step) + 10 for end in (low, high))
    limits = {"min": threshold - below * step, "max": threshold + above * step, "step": step}
    slider = w.FloatSlider(
        value=threshold, description="threshold", readout=False, layout=w.Layout(width="60%"),
        **limits,
    )  # fmt: skip
    box = w.BoundedFloatText(value=threshold, layout=w.Layout(width="9em"), **limits)
    w.link((slider, "value"), (box, "value"))
    text, picture = w.HTML(), w.Image(format="png", layout=w.Layout(max_width="100%"))

    def update(change: dict) -> None:
        figure, sentence = view.at(change["new"])
        text.value = f"<b>{escape(sentence)}</b>"
        picture.value = png(figure)

    slider.observe(update, names="value")
    update({"new": slider.value})
    return w.VBox([w.HBox([slider, box]), text, picture])
