"""Lesson 04: scrub through the epochs and watch bottles being learnt."""

from collections.abc import Sequence

import ipywidgets as w
import numpy as np

from course_ae.classroom.figures import RED, draw_image, plot_losses
from course_ae.classroom.widgets.view import Explorer, View


class EpochView(View):
    """Learning curves with a mark, the first good images, and how they were drawn by then.

    Args:
        snapshots: uint8 (N, H, W) for some of the epochs.
        history: one row an epoch with epoch, train_loss and val_loss.
        inputs: the images that were drawn, uint8 (N, H, W).
    """

    def __init__(
        self,
        snapshots: dict[int, np.ndarray],
        history: Sequence[dict[str, float]],
        inputs: np.ndarray,
    ):
        super().__init__(9.5, 3.6)
        self.snapshots, self.history = snapshots, history
        grid = self.figure.add_gridspec(2, 1 + len(inputs), width_ratios=(2.6, *[1] * len(inputs)))
        curves = self.figure.add_subplot(grid[:, 0])
        plot_losses(curves, history)
        best = min(history, key=lambda row: row["val_loss"])
        curves.plot(best["epoch"], best["val_loss"], "*", c=RED, ms=12, label="best epoch")
        curves.set_title("loss", fontsize=9)
        curves.set_ylim(bottom=0)
        curves.legend(fontsize=9)
        self.mark = curves.axvline(history[0]["epoch"], color="black", lw=1.5)
        self.drawn = []
        for i, image in enumerate(inputs):
            above, below = (self.figure.add_subplot(grid[row, 1 + i]) for row in (0, 1))
            draw_image(above, image, "input" if i == 0 else "")
            self.drawn.append(draw_image(below, image, "drawn" if i == 0 else ""))
        self.moves(self.mark, *self.drawn)

    def at(self, epoch: int) -> str:
        """How the images were drawn after this epoch, one of those in `snapshots`."""
        self.mark.set_xdata([epoch, epoch])
        for drawn, image in zip(self.drawn, self.snapshots[epoch], strict=True):
            drawn.set_data(image)
        row = next(row for row in self.history if row["epoch"] == epoch)
        return (
            f"After epoch {epoch}: loss {row['train_loss']:.4f} in training, "
            f"{row['val_loss']:.4f} in validation."
        )


def epoch_explorer(
    snapshots: dict[int, np.ndarray], history: Sequence[dict[str, float]], inputs: np.ndarray
) -> Explorer:
    """A slider over the epochs whose pictures were kept; the arguments are those of `EpochView`."""
    epoch = w.SelectionSlider(options=list(snapshots), value=max(snapshots), description="epoch")
    return Explorer(EpochView(snapshots, history, inputs), {"epoch": epoch})
