"""Lesson 06: draw another split and watch F move, while nothing else changes."""

import ipywidgets as w
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from course_ae.classroom.figures import BLUE, RED, SCORE_STYLES
from course_ae.classroom.widgets.view import Explorer, View, slider
from course_ae.experiment.evaluation import SCORE_NAMES
from course_ae.scoring import Scores
from course_ae.thresholds import confusion, f_normal, search_threshold, split_test


class LotteryView(View):
    """Each score's threshold in one split, and its F among those of many splits.

    Args:
        scores: the scored test images.
        fraction: share of the calibration part.
        splits: F of the splits with the seeds 0, 1, 2, ..., one array (repeats,) a score.
    """

    def __init__(self, scores: Scores, fraction: float, splits: dict[str, np.ndarray]):
        super().__init__(9.5, 4.6)
        self.scores, self.fraction, self.splits = scores, fraction, splits
        self.places = np.argsort(np.argsort(scores.labels, kind="stable"))  # good ones first
        self.lines, self.marks, self.filled = {}, {}, {}
        above, below = self.figure.subplots(2, len(splits), squeeze=False)
        for upper, lower, (name, found) in zip(above, below, splits.items(), strict=True):
            colour, _, _ = SCORE_STYLES[name]
            self.filled[name] = self._add_dots(upper, name)
            self.lines[name] = upper.axhline(scores.values[name].mean(), color="black", ls="--")
            title = f"{SCORE_NAMES[name]} score; filled: in the calibration part"
            upper.set_title(title, fontsize=9)
            upper.set_xlabel("test image")
            upper.legend(fontsize=9, loc="upper left")
            lower.hist(found, np.linspace(0, 1, 41), color=colour, alpha=0.6, edgecolor="white")
            lower.set(xlabel=f"F of {SCORE_NAMES[name]} over {len(found)} splits", ylabel="splits")
            self.marks[name] = lower.axvline(0, color="black", lw=2)
            self.moves(*self.filled[name], self.lines[name], self.marks[name])

    def _add_dots(self, axes: Axes, name: str) -> list[Artist]:
        """Hollow dots of all images; returns those that are to fill some of them, by label."""
        values, filled = self.scores.values[name], []
        for label, colour, marker, word in ((0, BLUE, "o", "good"), (1, RED, "^", "defective")):
            of = self.scores.labels == label
            axes.plot(self.places[of], values[of], marker, c=colour, mfc="none", ms=4.5, label=word)
            filled += axes.plot([], [], marker, c=colour, ms=4.5)
        return filled

    def at(self, split: int = 0) -> str:
        """The split of this seed."""
        calibration, test = split_test(self.scores.labels, self.fraction, split)
        said, found = [], {}
        for name in self.splits:
            threshold = search_threshold(*self._part(name, calibration))
            found[name] = f_normal(confusion(*self._part(name, test), threshold))
            said.append(f"{SCORE_NAMES[name]} threshold {threshold:.4g}, F {found[name]:.3f}")
            self.lines[name].set_ydata([threshold, threshold])
            self.marks[name].set_xdata([found[name], found[name]])
            for label, dots in enumerate(self.filled[name]):
                inside = calibration[self.scores.labels[calibration] == label]
                dots.set_data(self.places[inside], self.scores.values[name][inside])
        ahead = [SCORE_NAMES[name] for name, f in found.items() if f == max(found.values())]
        verdict = f"{ahead[0]} is ahead" if len(ahead) == 1 else "a tie"
        return f"Split {split}: {'; '.join(said)}; {verdict}."

    def _part(self, name: str, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.scores.values[name][images], self.scores.labels[images]


def split_lottery(scores: Scores, fraction: float, splits: dict[str, np.ndarray]) -> Explorer:
    """A button and a slider that draw a split; arguments as `LotteryView`, `fraction` a share."""
    count = len(next(iter(splits.values())))
    number = slider(0, count - 1, 0, "split")
    button = w.Button(description="draw another split", layout=w.Layout(width="12em"))
    rng = np.random.default_rng()  # luck, this once
    button.on_click(lambda _: setattr(number, "value", int(rng.integers(count))))
    view = LotteryView(scores, fraction, splits)
    return Explorer(view, {"split": number}, [[button, number]])
