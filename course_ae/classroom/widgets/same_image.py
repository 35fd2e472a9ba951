"""Lessons 07 and 08: the same image under every score."""

import numpy as np

from course_ae.classroom.figures import Masks, draw_image, scales, score_strip
from course_ae.classroom.widgets.view import Explorer, View, image_choice
from course_ae.experiment.evaluation import SCORE_NAMES
from course_ae.scoring import Scores


class SameImageView(View):
    """An image with its maps, and where it stands among all test images by each score.

    Args:
        scores: the scored test images.
        columns: what to show of each, (N, H, W); a name that ends in 'map' is drawn in cividis.
        masks: the masks of the test images (H, W), or None.
    """

    def __init__(self, scores: Scores, columns: dict[str, np.ndarray], masks: Masks):
        super().__init__(9.5, 4.8)
        blank = np.zeros(next(iter(columns.values())).shape[1:])
        true = [blank if mask is None else mask for mask in masks]
        self.scores, self.columns = scores, {**columns, "true mask": true}
        above, below = self.figure.subfigures(2, 1, height_ratios=(1, 1.25))
        self.drawn, self.rings = {}, {}
        all_axes = above.subplots(1, len(self.columns))
        for axes, (name, scale) in zip(all_axes, scales(self.columns).items(), strict=True):
            self.drawn[name] = draw_image(axes, self.columns[name][0], name, **scale)
        all_axes = below.subplots(1, len(scores.values), squeeze=False)[0]
        for axes, (name, values) in zip(all_axes, scores.values.items(), strict=True):
            score_strip(axes, scores, name)
            axes.tick_params(axis="x", labelrotation=20)
            self.rings[name] = axes.axhline(values[0], color="black", lw=1.5)
        self.moves(*self.drawn.values(), *self.rings.values())

    def at(self, image: int = 0) -> str:
        """The test image of this number."""
        for name, drawn in self.drawn.items():
            drawn.set_data(self.columns[name][image])
        others = self.scores.labels == 0
        others[image] = False
        said = []
        for name, values in self.scores.values.items():
            self.rings[name].set_ydata([values[image]] * 2)
            above = (values[others] < values[image]).sum()
            said.append(f"{SCORE_NAMES[name]} {values[image]:.4g}, above {above}")
        name = self.scores.names[image].removeprefix("test/")
        other = "" if self.scores.labels[image] else "other "
        return f"{name}: {'; '.join(said)} of the {others.sum()} {other}good images."


def same_image_explorer(scores: Scores, columns: dict[str, np.ndarray], masks: Masks) -> Explorer:
    """Choose a test image; the arguments are those of `SameImageView`."""
    images = image_choice([name.removeprefix("test/") for name in scores.names])
    return Explorer(SameImageView(scores, columns, masks), {"image": images})
