"""What happens beside a training: a progress bar, checkpoints, snapshots of what it draws."""

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from course_ae.support.checkpoints import read_weights, write_weights
from course_ae.support.errors import CourseError
from course_ae.training import Callback, Training, TrainingState, reconstruct, to_uint8

CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into writing checkpoints
SNAPSHOT_EPOCHS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)  # close together while much changes


def parts_of(state: TrainingState) -> dict[str, Any]:
    """All that a training needs to go on, as tensors and plain values, to be written down."""
    return {
        "model": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "schedule": state.schedule.state_dict(),
        "generator": state.generator.get_state(),
        "history": state.result.history,
        "best_epoch": state.result.best_epoch,
        "best_weights": state.best_weights,
        "snapshots": {k: torch.from_numpy(v) for k, v in state.result.snapshots.items()},
    }


def restore(state: TrainingState, parts: dict[str, Any]) -> None:
    """Goes on from what `parts_of` gave."""
    state.model.load_state_dict(parts["model"])
    state.optimizer.load_state_dict(parts["optimizer"])
    state.schedule.load_state_dict(parts["schedule"])
    state.generator.set_state(parts["generator"].cpu())
    state.best_weights = parts["best_weights"]
    snapshots = {int(k): v.cpu().numpy() for k, v in parts["snapshots"].items()}
    state.result = Training(list(parts["history"]), parts["best_epoch"], snapshots)


class Progress(Callback):
    """A bar on standard output, in a notebook as in a terminal.

    Args:
        processes: how many share each batch.
    """

    def __init__(self, processes: int = 1):
        self.processes = processes

    def begin(self, state: TrainingState) -> None:
        """Opens the bar, at the first epoch that is still to come."""
        done, total = len(state.result.history), state.settings.epochs
        self.bar = tqdm(
            total=total * state.images, initial=done * state.images, unit=" images",
            file=sys.stdout, mininterval=1,
        )  # fmt: skip

    def after_step(self, count: int) -> None:
        """Moves on by the images of all processes."""
        self.bar.update(count * self.processes)

    def after_epoch(self, state: TrainingState) -> None:
        """Shows the losses."""
        row = state.result.history[-1]
        self.bar.set_postfix_str(
            "epoch {epoch}, loss {train_loss:.4f}, validation {val_loss:.4f}".format(**row)
        )

    def end(self) -> None:
        """Leaves the bar as it stands."""
        self.bar.close()


class Snapshots(Callback):
    """Keeps the reconstructions of a few images (k, 1, 227, 227) along the way."""

    def __init__(self, watched: Tensor):
        self.watched = watched

    def after_epoch(self, state: TrainingState) -> None:
        """Draws the images, after some of the epochs."""
        epoch = len(state.result.history)
        if epoch in SNAPSHOT_EPOCHS:
            state.result.snapshots[epoch] = to_uint8(reconstruct(state.model, self.watched))


class Checkpoint(Callback):
    """Writes the state down after each epoch, and goes on from a file that is there already.

    A small network is written after each epoch. A large one on a fast GPU is not: there an epoch
    takes less time than writing it down. Who trains removes the file when it is no longer needed.

    Args:
        path: the file.
        writes: False for a process that only reads it.
    """

    def __init__(self, path: Path, writes: bool = True):
        self.path, self.writes = path, writes
        self.saved_at, self.saving_took = time.monotonic(), 0.0  # seconds

    def begin(self, state: TrainingState) -> None:
        """Goes on from the file, if there is one.

        Raises:
            CourseError: if it is damaged or of a training with other settings.
        """
        if not self.path.is_file():
            return
        try:
            parts = read_weights(self.path, next(state.model.parameters()).device)
            if parts.pop("settings") != asdict(state.settings):
                raise ValueError("of other settings")
            restore(state, parts)
        except Exception as error:  # torch raises many kinds for a foreign file
            raise CourseError(
                f"'{self.path}' is no checkpoint of this training; delete it and repeat."
            ) from error

    def after_epoch(self, state: TrainingState) -> None:
        """Writes the file, unless that would take too large a share of the time."""
        waited = time.monotonic() - self.saved_at
        if not self.writes or self.saving_took > CHECKPOINT_SHARE * waited:
            return
        start = time.monotonic()
        write_weights(self.path, {"settings": asdict(state.settings), **parts_of(state)})
        self.saved_at = time.monotonic()
        self.saving_took = self.saved_at - start
