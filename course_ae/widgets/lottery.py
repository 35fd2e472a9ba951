"""Lesson 06: draw another split and watch F move, while nothing else changes."""

import ipywidgets as w
import numpy as np

from course_ae.figures import SCORE_STYLES, scatter_all
from course_ae.pipeline import Scores
from course_ae.thresholds import confusion, f_normal, search_threshold, split_test
from course_ae.widgets.view import Explorer, View, slider


class LotteryView(View):
    """Each score's threshold in one split, and its F among those of many splits.

    Args:
        scores: the scored test images.
        fraction: share of the validation part.
        splits: F of the splits with the seeds 0, 1, 2, ..., one array a kind of score.
    """

    def __init__(self, scores: Scores, fraction: float, splits: dict[str, np.ndarray]):
        super().__init__(9.5, 4.6)
        self.scores, self.fraction, self.splits = scores, fraction, splits
        above, below = self.figure.subplots(2, len(splits), squeeze=False)
        self.lines, self.marks, self.dots = {}, {}, {}
        for upper, lower, (kind, found) in zip(above, below, splits.items(), strict=True):
            colour, line, _ = SCORE_STYLES[kind]
            values = scores.values[kind]
            self.dots[kind] = scatter_all(upper, values, scores.labels)
            self.lines[kind] = upper.axhline(values.mean(), color="black", ls="--")
            upper.set_title(f"{kind.upper()} score; filled: in the validation part", fontsize=9)
            upper.set_xlabel("test image")
            upper.legend(fontsize=7, loc="upper left")
            lower.hist(found, np.linspace(0, 1, 41), color=colour, alpha=0.6, edgecolor="white")
            lower.set_xlabel(f"F of {kind.upper()} over {len(found)} splits")
            lower.set_ylabel("splits")
            self.marks[kind] = lower.axvline(0, color="black", lw=2, ls=line)
        moving = [*self.lines.values(), *self.marks.values()]
        self.moves(*[dot for dots in self.dots.values() for dot, _ in dots], *moving)

    def at(self, split: int = 0) -> str:
        """The split of this seed."""
        labels, said, found = self.scores.labels, [], {}
        validation, test = split_test(labels, self.fraction, split)
        chosen = np.isin(np.arange(len(labels)), validation)
        for kind in self.splits:
            values = self.scores.values[kind]
            threshold = search_threshold(values[validation], labels[validation])
            found[kind] = f_normal(confusion(values[test], labels[test], threshold))
            self.lines[kind].set_ydata([threshold, threshold])
            self.marks[kind].set_xdata([found[kind], found[kind]])
            for dots, where in self.dots[kind]:
                colour = dots.get_edgecolor()[0]
                clear = (*colour[:3], 0.0)
                dots.set_facecolor([colour if inside else clear for inside in chosen[where]])
            said.append(f"{kind.upper()} threshold {threshold:.4g}, F {found[kind]:.3f}")
        best = max(found.values())
        ahead = [kind.upper() for kind, f in found.items() if f == best]
        verdict = f"{ahead[0]} is ahead" if len(ahead) == 1 else "a tie"
        return f"Split {split}: {'; '.join(said)}; {verdict}."


def split_lottery(scores: Scores, fraction: float, splits: dict[str, np.ndarray]) -> Explorer:
    """A button and a slider that draw a split; arguments as `LotteryView`, `fraction` a share."""
    count = len(next(iter(splits.values())))
    number = slider(0, count - 1, 0, "split")
    button = w.Button(description="draw another split", layout=w.Layout(width="12em"))
    rng = np.random.default_rng()  # luck, this once
    button.on_click(lambda _: setattr(number, "value", int(rng.integers(count))))
    view = LotteryView(scores, fraction, splits)
    return Explorer(view, {"split": number}, [[button, number]])
