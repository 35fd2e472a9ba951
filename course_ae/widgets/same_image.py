"""Lessons 06 and 07: the same image under every score."""

import numpy as np

from course_ae.figures import draw_image, strip
from course_ae.pipeline import Scores
from course_ae.widgets.view import Explorer, View, choice

NAMES = {"l2": "L2", "ssim": "SSIM", "best": "lesson 07"}


class SameImageView(View):
    """An image with its maps, and where it stands among all test images by each score.

    Args:
        scores: the scored test images.
        columns: what to show of each, (N, H, W); a name that ends in 'map' is drawn in cividis.
        masks: the masks of the test images (H, W), or None.
    """

    def __init__(
        self, scores: Scores, columns: dict[str, np.ndarray], masks: list[np.ndarray | None]
    ):
        super().__init__(9.5, 4.8)
        self.scores, self.columns = scores, columns
        rows = self.figure.subfigures(2, 1, height_ratios=(1, 1.25))
        blank = np.zeros(next(iter(columns.values())).shape[1:])
        self.masks = [blank if mask is None else mask for mask in masks]
        self.drawn = {}
        for axes, (name, images) in zip(
            rows[0].subplots(1, len(columns) + 1), [*columns.items(), ("true mask", None)],
            strict=True,
        ):  # fmt: skip
            if images is None:
                self.mask = draw_image(axes, blank, name)
            elif name.endswith("map"):
                top = np.quantile(images, 0.999)
                self.drawn[name] = draw_image(
                    axes, images[0], name, cmap="cividis", vmin=0, vmax=top
                )
            else:
                self.drawn[name] = draw_image(axes, images[0], name)
        self.rings = {}
        names = sorted(set(scores.defects), key=lambda name: (name != "good", name))
        for axes, (kind, values) in zip(
            rows[1].subplots(1, len(scores.values), squeeze=False)[0], scores.values.items(),
            strict=True,
        ):  # fmt: skip
            strip(axes, {n: values[scores.defects == n] for n in names}, scores.defects)
            axes.set_title(f"{NAMES[kind]} score", fontsize=10)
            axes.tick_params(axis="x", labelrotation=20)
            axes.axhline(values[scores.labels == 0].max(), color="black", ls=":", lw=1)
            self.rings[kind] = axes.axhline(values[0], color="black", lw=1.5)
        self.moves(*self.drawn.values(), self.mask, *self.rings.values())

    def at(self, image: int = 0) -> str:
        """The test image of this number."""
        for name, drawn in self.drawn.items():
            drawn.set_data(self.columns[name][image])
        self.mask.set_data(self.masks[image])
        said, good = [], self.scores.labels == 0
        for kind, values in self.scores.values.items():
            self.rings[kind].set_ydata([values[image]] * 2)
            others = values[good & (np.arange(len(values)) != image)]
            said.append(
                f"{NAMES[kind]} {values[image]:.4g}, above {(others < values[image]).sum()}"
            )
        total = (good & (np.arange(len(good)) != image)).sum()
        name = self.scores.names[image].removeprefix("test/")
        other = "" if self.scores.labels[image] else "other "
        return f"{name}: {'; '.join(said)} of the {total} {other}good images."


def same_image_explorer(
    scores: Scores, columns: dict[str, np.ndarray], masks: list[np.ndarray | None]
) -> Explorer:
    """Choose a test image; the arguments are those of `SameImageView`."""
    names = [(name.removeprefix("test/"), i) for i, name in enumerate(scores.names)]
    return Explorer(SameImageView(scores, columns, masks), {"image": choice(names, "image")})
