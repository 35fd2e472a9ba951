"""Lesson 05: what a threshold does, and which bottles it judges wrongly."""

from typing import Any

import ipywidgets as w
import numpy as np
from matplotlib.axes import Axes

from course_ae import thresholds
from course_ae.classroom import figures
from course_ae.classroom.figures import Masks
from course_ae.classroom.widgets.view import Explorer, View, choice, short
from course_ae.experiment.evaluation import SCORE_NAMES
from course_ae.scoring import SLIDES_SCORES, Scores

CURVES = {
    "F": (thresholds.f_normal, figures.BLUE, "-", "o"),
    "precision": (thresholds.precision_normal, figures.RED, "--", "^"),
    "recall": (thresholds.recall_normal, figures.GREEN, ":", "s"),
}
VERDICTS = (("rightly passed", "false alarm"), ("missed defect", "defect found"))


class ThresholdView(View):
    """Scatter, confusion matrix, curves of the normal class, wrong verdicts, and one chosen image.

    Args:
        scores: the scored test images, with their maps.
        pictures: 'input' and 'reconstruction' of each, uint8 (N, 227, 227).
        masks: their masks (227, 227), or None.
        name: which score, 'l2' or 'ssim'.
        part: 'calibration' or 'test'.
    """

    SHOWN = 8  # wrongly judged images, at most

    def __init__(
        self,
        scores: Scores,
        pictures: dict[str, np.ndarray],
        masks: Masks,
        name: str,
        part: str = "calibration",
    ):
        super().__init__(10, 6.6)
        self.figure.set_layout_engine("none")
        self.scores, self.name, self.inputs = scores, name, pictures["input"]
        self.index = getattr(scores, part)
        self.values, self.labels = scores.part(name, part)
        blank = np.zeros(self.inputs.shape[1:])
        true = [blank if mask is None else mask for mask in masks]
        maps = {f"{SCORE_NAMES[name]} map": scores.maps[name].numpy()}
        self.columns = {**pictures, **maps, "true mask": true}
        self._add_plots(part)
        self._add_thumbnails()
        self._add_chosen()

    def _row(self, columns: int, top: float, bottom: float, **kwargs: Any) -> list[Axes]:
        """Axes side by side between two heights of the figure, each 0 to 1."""
        grid = self.figure.add_gridspec(1, columns, top=top, bottom=bottom, right=0.98, **kwargs)
        return [self.figure.add_subplot(cell) for cell in grid]

    def _add_plots(self, part: str) -> None:
        self.scatter, middle, right = self._row(
            3, top=0.95, bottom=0.6, left=0.085, width_ratios=(2.2, 1, 1.5), wspace=0.3
        )
        self.order = figures.scatter_scores(self.scatter, self.scores, self.name, part)
        self.scatter.legend(fontsize=9, loc="upper left", ncols=2)
        self.line = self.scatter.axhline(self.values.mean(), color="black", ls="--", lw=1.4)
        low, high = self.scatter.get_ylim()
        self.scatter.set_ylim(low, high + 0.4 * (high - low))  # room for the legend
        (self.ring,) = self.scatter.plot([], [], "o", ms=13, mfc="none", mec="black", mew=1.5)
        self.counts = figures.confusion_matrix(middle)
        self.markers = {}
        steps = figures.steps_of(self.values)
        found = [thresholds.confusion(self.values, self.labels, step) for step in steps]
        for name, (rate, colour, line, marker) in CURVES.items():
            right.step(steps, list(map(rate, found)), line, where="post", c=colour, label=name)
            (self.markers[name],) = right.plot([], [], marker, c=colour, ms=8)
        right.set(ylim=(-0.05, 1.05), xlabel="threshold")
        right.set_title("the normal class", fontsize=10)
        right.legend(fontsize=9, loc="lower right")
        self.moves(self.line, self.ring, *self.counts, *self.markers.values())

    def _add_thumbnails(self) -> None:
        self.figure.text(0.02, 0.53, "judged wrongly:", fontsize=9)
        self.wrong: list[int] = []  # numbers among all test images
        self.thumbnails = []
        for axes in self._row(self.SHOWN, top=0.46, bottom=0.32, left=0.02, wspace=0.08):
            self.thumbnails.append((axes, figures.draw_image(axes, self.inputs[0])))
            axes.title.set_fontsize(8)
            self.moves(self.thumbnails[-1][1], axes.title)

    def _add_chosen(self) -> None:
        row = self._row(len(self.columns), top=0.26, bottom=0.01, left=0.22, wspace=0.05)
        self.chosen = [
            figures.draw_image(axes, self.columns[name][0], name, **scale)
            for axes, (name, scale) in zip(row, figures.scales(self.columns).items(), strict=True)
        ]
        self.label = self.figure.text(0.02, 0.14, "", fontsize=9, va="center")
        self.moves(*self.chosen, self.label)

    def at(self, threshold: float, image: int | None = None) -> str:
        """The figure with this threshold and this image, a number among all test images."""
        image = int(self.index[0]) if image is None else image
        counts = thresholds.confusion(self.values, self.labels, threshold)
        self.line.set_ydata([threshold, threshold])
        figures.write_counts(self.counts, counts)
        rates = {name: rate(counts) for name, (rate, *_) in CURVES.items()}
        for name, rate in rates.items():
            self.markers[name].set_data([threshold], [rate])
        self._show_wrong(threshold)
        self._show_chosen(image, threshold)
        tn, fp, fn, tp = counts
        said = ", ".join(f"{name} {rate:.3f}" for name, rate in rates.items())
        shown = f", {self.SHOWN} of them shown" if len(self.wrong) > self.SHOWN else ""
        return (
            f"Threshold {threshold:.5f}: TN {tn}, FP {fp}, FN {fn}, TP {tp}; normal class: {said}; "
            f"wrongly judged: {len(self.wrong)}{shown}. "
            f"Chosen: {' '.join(self._verdict(image, threshold).split())}."
        )

    def _show_wrong(self, threshold: float) -> None:
        self.wrong = self.index[(self.values > threshold) != (self.labels == 1)].tolist()
        for slot, (axes, drawn) in enumerate(self.thumbnails):
            seen = slot < len(self.wrong)
            drawn.set_visible(seen)
            axes.title.set_text(self._verdict(self.wrong[slot], threshold) if seen else "")
            if seen:
                drawn.set_data(self.inputs[self.wrong[slot]])

    def _show_chosen(self, image: int, threshold: float) -> None:
        value = self.scores.values[self.name][image]
        self.ring.set_data(np.flatnonzero(self.order == image), [value])
        for drawn, images in zip(self.chosen, self.columns.values(), strict=True):
            drawn.set_data(images[image])
        self.label.set_text(f"chosen:\n{self._verdict(image, threshold)}\nscore {value:.5f}")

    def _verdict(self, image: int, threshold: float) -> str:
        called_defective = int(self.scores.values[self.name][image] > threshold)
        verdict = VERDICTS[self.scores.labels[image]][called_defective]
        return f"{verdict}\n{short(self.scores.names[image])}"

    def nearest(self, x: float, y: float) -> int | None:
        """The image whose dot or thumbnail lies at a place of the picture, each 0 to 1, or None."""
        place = self.figure.transFigure.transform((x, y))
        for image, (axes, _) in zip(self.wrong, self.thumbnails, strict=False):
            if axes.bbox.contains(*place):
                return image
        if not self.scatter.bbox.contains(*place):
            return None
        values = self.scores.values[self.name][self.order]
        dots = self.scatter.transData.transform(np.column_stack([range(len(values)), values]))
        return int(self.order[np.hypot(*(dots - place).T).argmin()])


class ThresholdExplorer(Explorer):
    """The view under a slider and a number box for its threshold, lists, and a seal.

    The box holds the threshold, exactly as it was typed; the slider follows to the nearest of its
    steps, and sets the box only where it was moved to another one. It counts whole steps in a range
    that never changes: any other value the browser would round, and report as if it were dragged.
    Arguments as `threshold_explorer`.
    """

    STEPS = 420  # of the slider: 400 over all values of a score, and ten beyond either end

    def __init__(
        self, scores: Scores, pictures: dict[str, np.ndarray], masks: Masks, score_name: str = "l2"
    ):
        self.scores, self._given = scores, (pictures, masks)
        self._views: dict[tuple[str, str], ThresholdView] = {}
        self.sealed: dict[str, float] = {}  # the threshold of each score that was sealed
        names = [(SCORE_NAMES[name], name) for name in SLIDES_SCORES]
        self.score_name = choice(names, "score", score_name)
        self.part = choice(["calibration"], "part")
        self.seal = w.Button(description="seal the threshold", layout=w.Layout(width="11em"))
        for control in (self.score_name, self.part, self.seal):
            control.layout.margin = "2px 1em 2px 2px"
        wide = w.Layout(width="60%", min_width="15em")
        self.slider = w.IntSlider(
            description="threshold", max=self.STEPS, readout=False, layout=wide
        )
        self.box = w.BoundedFloatText(layout=w.Layout(width="10em"))
        self.image = choice([], "image")
        self._set_range()
        self._list_images()
        super().__init__(
            self._view(),
            {"threshold": self.box, "image": self.image},
            [[self.score_name, self.part, self.seal], [self.slider, self.box], [self.image]],
        )
        self.slider.observe(self._slid, names="value")
        self.box.observe(self._typed, names="value")
        self.score_name.observe(self._turn, names="value")
        self.part.observe(self._turn, names="value")
        self.seal.on_click(self._seal)
        self.picture.observe(self._click, names="clicked")

    def _slid(self, _change: Any) -> None:
        if self.slider.value != self._nearest_step():  # else it only followed the box
            self.box.value = self.steps[self.slider.value]

    def _typed(self, _change: Any) -> None:
        self.slider.value = self._nearest_step()

    def _nearest_step(self) -> int:
        return int(np.abs(self.steps - self.box.value).argmin())

    def _set_range(self) -> None:
        """The slider reaches beyond all values of its score, and the start is one of its steps."""
        name = self.score_name.value
        values, start = self.scores.values[name], self.sealed.get(name)
        if start is None:
            start = thresholds.search_threshold(*self.scores.part(name, "calibration"))
        low, high = float(values.min()), float(values.max())
        step = (high - low) / (self.STEPS - 20) or 0.01
        below = int(abs(start - low) / step) + 10
        self.steps = start + step * (np.arange(self.STEPS + 1) - below)  # the thresholds, (421,)
        with self.box.hold_trait_notifications():  # or a value would be clipped to the old range
            self.box.min, self.box.max = self.steps[0], self.steps[-1]
            self.box.step, self.box.value = step, start
        self.slider.value = below
        self.slider.disabled = self.box.disabled = name in self.sealed

    def _list_images(self) -> None:
        index = getattr(self.scores, self.part.value)
        self.image.options = [(short(self.scores.names[i]), int(i)) for i in index]
        self.image.index = None  # the browser shows an empty list where the number stays the same
        self.image.index = 0

    def _view(self) -> ThresholdView:
        key = self.score_name.value, self.part.value
        if key not in self._views:
            self._views[key] = ThresholdView(self.scores, *self._given, *key)
        return self._views[key]

    def _turn(self, _change: Any) -> None:
        """Another score or another part, and with it all other controls."""
        if self.waiting:  # the part turns along with its score
            return
        with self.together():
            self.seal.disabled = self.score_name.value in self.sealed
            parts = ("calibration", "test") if self.seal.disabled else ("calibration",)
            if self.part.options != parts:
                self.part.options = parts
            self.view = self._view()
            self._set_range()
            self._list_images()

    def _seal(self, _button: Any) -> None:
        """From now on this score's threshold stays, and the test part may be seen."""
        self.sealed[self.score_name.value] = self.box.value
        self.part.options = ("calibration", "test")
        self.part.value = "test"

    def _click(self, change: Any) -> None:
        found = self.view.nearest(*change["new"])
        if found is not None:
            self.image.value = found


def threshold_explorer(
    scores: Scores, pictures: dict[str, np.ndarray], masks: Masks, score_name: str = "l2"
) -> ThresholdExplorer:
    """Choose a score, move its threshold, look at any image; then seal it and open the test part.

    `score_name` is the score to begin with, 'l2' or 'ssim'; all else as `ThresholdView`.
    """
    return ThresholdExplorer(scores, pictures, masks, score_name)
