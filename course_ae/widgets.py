"""Sliders of the lessons: thin layers over the pure views in `figures`."""

from html import escape

import ipywidgets as w
import numpy as np

from course_ae.figures import ThresholdView, png
from course_ae.pipeline import Scores


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
    margin = 0.05 * (high - low) or 1.0
    limits = {"min": low - margin, "max": high + margin, "step": (high - low) / 200 or 0.01}
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
