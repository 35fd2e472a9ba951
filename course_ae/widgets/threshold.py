"""Lesson 05: what a threshold does, and which bottles it judges wrongly."""

from typing import Any

import ipywidgets as w
import numpy as np

from course_ae.figures import (
    BLUE,
    GREEN,
    RED,
    confusion_matrix,
    draw_image,
    scatter_scores,
    steps_of,
)
from course_ae.pipeline import Scores
from course_ae.thresholds import (
    Confusion,
    confusion,
    f_normal,
    precision_normal,
    recall_normal,
    search_threshold,
)
from course_ae.widgets.view import Explorer, View, choice

CURVES = {
    "F": (f_normal, BLUE, "-", "o"),
    "precision": (precision_normal, RED, "--", "^"),
    "recall": (recall_normal, GREEN, ":", "s"),
}


class ThresholdView(View):
    """Scatter, confusion matrix, curves of the normal class, wrong verdicts, and one chosen image.

    Args:
        scores: the scored test images, with their maps.
        pictures: 'input' and 'reconstruction' of each, uint8 (N, 227, 227).
        masks: their masks (227, 227), or None.
        kind: which score, 'l2' or 'ssim'.
        part: 'validation' or 'test'.
    """

    SHOWN = 8  # wrongly judged images, at most

    def __init__(
        self,
        scores: Scores,
        pictures: dict[str, np.ndarray],
        masks: list[np.ndarray | None],
        kind: str,
        part: str = "validation",
    ):
        super().__init__(10, 6.6)
        self.figure.set_layout_engine("none")
        self.scores, self.pictures, self.kind, self.part = scores, pictures, kind, part
        self.masks = [np.zeros((2, 2)) if mask is None else mask for mask in masks]
        self.index = getattr(scores, part)
        self.values, self.labels = scores.part(kind, part)
        self._add_plots()
        self._add_thumbnails()
        self._add_chosen()

    def _add_plots(self) -> None:
        grid = self.figure.add_gridspec(
            1, 3, left=0.085, right=0.98, top=0.95, bottom=0.6, width_ratios=(2.2, 1, 1.5),
            wspace=0.3,
        )  # fmt: skip
        self.scatter, middle, right = (self.figure.add_subplot(cell) for cell in grid)
        self.order = scatter_scores(self.scatter, self.scores, self.kind, self.part)
        self.scatter.legend(fontsize=7, loc="upper left", ncols=2)
        self.line = self.scatter.axhline(self.values.mean(), color="black", ls="--", lw=1.4)
        low, high = self.scatter.get_ylim()
        self.scatter.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
        first = [0], self.values[:1]
        (self.ring,) = self.scatter.plot(*first, "o", ms=13, mfc="none", mec="black", mew=1.5)
        self.counts = confusion_matrix(middle, Confusion(0, 0, 0, 0))
        steps = steps_of(self.values)
        found = [confusion(self.values, self.labels, step) for step in steps]
        self.markers = {}
        for name, (rate, colour, line, marker) in CURVES.items():
            curve = [rate(counts) for counts in found]
            right.step(steps, curve, line, where="post", color=colour, label=name)
            (self.markers[name],) = right.plot(steps[:1], curve[:1], marker, color=colour, ms=8)
        right.set_ylim(-0.05, 1.05)
        right.set_title("of the normal class", fontsize=10)
        right.set_xlabel("threshold")
        right.legend(fontsize=7, loc="lower right")
        self.moves(self.line, self.ring, *self.counts, *self.markers.values())

    def _add_thumbnails(self) -> None:
        blank = np.full_like(self.pictures["input"][0], 255)
        grid = self.figure.add_gridspec(
            1, self.SHOWN, left=0.02, right=0.98, top=0.47, bottom=0.32, wspace=0.08
        )
        self.figure.text(0.02, 0.525, "judged wrongly:", fontsize=9)
        axes = [self.figure.add_subplot(cell) for cell in grid]
        self.thumbnails = [(ax, draw_image(ax, blank)) for ax in axes]
        self.wrong: list[int] = []
        for ax, drawn in self.thumbnails:
            ax.title.set_fontsize(7)
            self.moves(drawn, ax.title)

    def _add_chosen(self) -> None:
        maps = self.scores.maps[self.kind]
        names = ("input", "reconstruction", f"{self.kind.upper()} map", "true mask")
        grid = self.figure.add_gridspec(
            1, 4, left=0.22, right=0.98, top=0.26, bottom=0.01, wspace=0.05
        )
        axes = [self.figure.add_subplot(cell) for cell in grid]
        scales = [{}, {}, {"cmap": "cividis", "vmax": float(np.quantile(maps, 0.999))}, {}]
        firsts = [self.pictures["input"][0]] * 2 + [np.zeros(maps.shape[1:])] * 2
        self.chosen = [
            draw_image(ax, first, name, **scale)
            for ax, first, name, scale in zip(axes, firsts, names, scales, strict=True)
        ]
        self.label = self.figure.text(0.02, 0.14, "", fontsize=9, va="center")
        self.moves(*self.chosen, self.label)

    def at(self, threshold: float, image: int | None = None) -> str:
        """The figure with this threshold and this image, a number among all test images."""
        counts = confusion(self.values, self.labels, threshold)
        self.line.set_ydata([threshold, threshold])
        for name, (rate, *_) in CURVES.items():
            self.markers[name].set_data([threshold], [rate(counts)])
        for text, name, value in zip(self.counts, ("TN", "FP", "FN", "TP"), counts, strict=True):
            text.set_text(f"{name}\n{value}")
        wrong = (self.values > threshold) != (self.labels == 1)
        self.wrong = self.index[wrong].tolist()
        for slot, (axes, drawn) in enumerate(self.thumbnails):
            seen = slot < len(self.wrong)
            drawn.set_visible(seen)
            axes.title.set_text(self._verdict(self.wrong[slot], threshold) if seen else "")
            if seen:
                drawn.set_data(self.pictures["input"][self.wrong[slot]])
        image = int(self.index[0]) if image is None else image
        self._choose(image, threshold)
        shown = f", {self.SHOWN} of them shown" if len(self.wrong) > self.SHOWN else ""
        rates = ", ".join(f"{name} {rate(counts):.3f}" for name, (rate, *_) in CURVES.items())
        return (
            f"Threshold {threshold:.5f}: TN {counts.tn}, FP {counts.fp}, FN {counts.fn}, "
            f"TP {counts.tp}; normal class: {rates}; wrongly judged: {len(self.wrong)}{shown}. "
            f"Chosen: {' '.join(self._verdict(image, threshold).split())}."
        )

    def _choose(self, image: int, threshold: float) -> None:
        value = self.scores.values[self.kind][image]
        self.ring.set_data(np.flatnonzero(self.order == image), [value])
        pictures = [self.pictures["input"][image], self.pictures["reconstruction"][image]]
        for drawn, array in zip(
            self.chosen, [*pictures, self.scores.maps[self.kind][image].numpy(), self.masks[image]],
            strict=True,
        ):  # fmt: skip
            drawn.set_data(array)
        self.label.set_text(f"chosen:\n{self._verdict(image, threshold)}\nscore {value:.5f}")

    def _verdict(self, i: int, threshold: float) -> str:
        said_defective = self.scores.values[self.kind][i] > threshold
        word = {
            (0, False): "rightly passed",
            (0, True): "false alarm",
            (1, False): "missed defect",
            (1, True): "defect found",
        }[int(self.scores.labels[i]), bool(said_defective)]
        return f"{word}\n{short(self.scores.names[i])}"

    def nearest(self, x: float, y: float) -> int | None:
        """The image whose dot or thumbnail lies at a place of the picture, each 0 to 1, or None."""
        place = self.figure.transFigure.transform((x, y))
        for slot, (axes, _) in enumerate(self.thumbnails[: len(self.wrong)]):
            if axes.bbox.contains(*place):
                return self.wrong[slot]
        if not self.scatter.bbox.contains(*place):
            return None
        dots = np.column_stack([range(len(self.order)), self.scores.values[self.kind][self.order]])
        far = np.hypot(*(self.scatter.transData.transform(dots) - place).T)
        return int(self.order[far.argmin()])


def short(name: str) -> str:
    """A test image's defect and number, for example 'crack/003'."""
    return name.removeprefix("test/").rpartition(".")[0]


class ThresholdExplorer(Explorer):
    """The view with a slider, a number box, a list of images and a seal; see below."""

    def __init__(
        self,
        scores: Scores,
        pictures: dict[str, np.ndarray],
        masks: list[np.ndarray | None],
        kind: str = "l2",
    ):
        self.scores, self.view_of = scores, {}
        self._given = pictures, masks
        self.sealed: dict[str, float] = {}  # the threshold of each score that was sealed
        narrow, wide = w.Layout(width="10em"), w.Layout(width="60%", min_width="15em")
        self.kind = choice([(name.upper(), name) for name in ("l2", "ssim")], "score", kind)
        self.part = choice(["validation"], "part")
        self.slider = w.FloatSlider(description="threshold", readout=False, layout=wide)
        self.box = w.BoundedFloatText(layout=narrow)
        self.image = choice([("", None)], "image")
        self.seal = w.Button(description="seal the threshold", layout=w.Layout(width="11em"))
        for control in (self.kind, self.part, self.seal):
            control.layout.margin = "2px 1em 2px 2px"
        self._range()
        self.slider.observe(self._slid, names="value")
        self.box.observe(lambda change: setattr(self.slider, "value", change["new"]), names="value")
        self._options()
        super().__init__(
            self._view(),
            {"threshold": self.box, "image": self.image},
            [[self.kind, self.part, self.seal], [self.slider, self.box], [self.image]],
        )
        self.kind.observe(self._turn, names="value")
        self.part.observe(self._turn, names="value")
        self.seal.on_click(self._seal)
        self.picture.observe(self._click, names="clicked")

    def _view(self) -> ThresholdView:
        key = self.kind.value, self.part.value
        if key not in self.view_of:
            self.view_of[key] = ThresholdView(self.scores, *self._given, *key)
        return self.view_of[key]

    def _slid(self, change: Any) -> None:
        """The box holds the threshold: the browser moves a slider to its nearest whole step."""
        if abs(change["new"] - self.box.value) > 0.51 * self.slider.step:
            self.box.value = change["new"]

    def _range(self) -> None:
        """The slider reaches beyond all scores of its kind, and starts at a whole step."""
        kind = self.kind.value
        values, start = self.scores.values[kind], self.sealed.get(kind)
        if start is None:
            start = search_threshold(*self.scores.part(kind, "validation"))
        low, high = float(values.min()), float(values.max())
        step = (high - low) / 400 or 0.01
        below, above = (int(abs(end - start) / step) + 10 for end in (low, high))
        for control in (self.slider, self.box):
            control.disabled = kind in self.sealed
            with control.hold_trait_notifications():
                control.min, control.max = start - below * step, start + above * step
                control.step, control.value = step, start

    def _options(self) -> None:
        index = getattr(self.scores, self.part.value)
        names = [(short(self.scores.names[i]), int(i)) for i in index]
        self.image.options = names
        self.image.index = None  # the browser shows an empty list where the number stays the same
        self.image.index = 0

    def _turn(self, _change: Any) -> None:
        """Another score or another part."""
        sealed = self.kind.value in self.sealed
        self.seal.disabled = sealed
        parts = ["validation", "test"] if sealed else ["validation"]
        if list(self.part.options) != parts:
            self.part.options = parts
        self.view = self._view()
        self._range()
        self._options()
        self.update()

    def _seal(self, _button: Any) -> None:
        """From now on this score's threshold stays, and the test part may be seen."""
        self.sealed[self.kind.value] = self.box.value
        self.part.options = ["validation", "test"]
        self.part.value = "test"

    def _click(self, change: Any) -> None:
        found = self.view.nearest(*change["new"])
        if found is not None:
            self.image.value = found


def threshold_explorer(
    scores: Scores,
    pictures: dict[str, np.ndarray],
    masks: list[np.ndarray | None],
    kind: str = "l2",
) -> ThresholdExplorer:
    """Choose a score, move its threshold, look at any image; then seal it and open the test part.

    Args:
        scores: the scored test images, with their maps.
        pictures: 'input' and 'reconstruction' of each, uint8 (N, 227, 227).
        masks: their masks (227, 227), or None.
        kind: the score to begin with, 'l2' or 'ssim'.
    """
    return ThresholdExplorer(scores, pictures, masks, kind)
