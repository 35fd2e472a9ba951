"""Lesson 04: the state of a training, written down so that it can be stopped at any moment."""

import copy
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course_ae import distributed
from course_ae.config import CourseError, Settings
from course_ae.files import replace_file

CHECKPOINT_SHARE = 0.05  # of the time, at most, goes into writing checkpoints


def write_weights(path: Path, content: dict[str, Any]) -> None:
    """A file of tensors and plain values, whole or not at all.

    Raises:
        CourseError: if it cannot be written.
    """
    with replace_file(path) as part, part.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's own words for a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise


@dataclass
class Training:
    """What a training leaves behind, beside the weights."""

    history: list[dict[str, float]] = field(default_factory=list)  # one row an epoch
    best_epoch: int = 0
    snapshots: dict[int, np.ndarray] = field(default_factory=dict)  # epoch: uint8 (k, 227, 227)

    @property
    def best_loss(self) -> float:
        """The lowest validation loss so far."""
        return self.history[self.best_epoch - 1]["val_loss"] if self.best_epoch else float("inf")

    def is_over(self, settings: Settings) -> bool:
        """True after the last epoch, or `patience` epochs after the best one."""
        waited = len(self.history) - self.best_epoch
        return len(self.history) >= settings.epochs or waited >= settings.patience


class TrainingState:
    """All that a training needs to go on as if it had never stopped."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        settings: Settings,
    ):
        self.model, self.optimizer, self.schedule = model, optimizer, schedule
        self.settings = settings
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.result = Training()
        self.best_weights: dict[str, Tensor] = {}
        self.saved_at, self.saving_took = time.monotonic(), 0.0

    def add_epoch(self, losses: dict[str, float], seconds: float) -> None:
        """Notes an epoch's losses and seconds, and its weights if they are the best so far."""
        result, epoch = self.result, len(self.result.history) + 1
        is_best = losses["val_loss"] < result.best_loss
        result.history.append({"epoch": epoch, **losses, "seconds": seconds})
        if is_best:
            result.best_epoch = epoch
            self.best_weights = copy.deepcopy(self.model.state_dict())

    def save(self, path: Path) -> None:
        """Writes the checkpoint, unless that would take too large a share of the time.

        A small network is written after each epoch. A large one on a fast GPU is not: there an
        epoch takes less time than writing it down.
        """
        waited = time.monotonic() - self.saved_at
        if not distributed.is_first() or self.saving_took > CHECKPOINT_SHARE * waited:
            return
        start = time.monotonic()
        parts = {
            "settings": asdict(self.settings),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "generator": self.generator.get_state(),
            "history": self.result.history,
            "best_epoch": self.result.best_epoch,
            "best_weights": self.best_weights,
            "snapshots": {k: torch.from_numpy(v) for k, v in self.result.snapshots.items()},
        }
        write_weights(path, parts)
        self.saved_at = time.monotonic()
        self.saving_took = self.saved_at - start

    def load(self, path: Path) -> None:
        """Continues from a checkpoint.

        Raises:
            CourseError: if it is damaged or of a training with other settings.
        """
        device = next(self.model.parameters()).device
        try:
            parts: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            if parts["settings"] != asdict(self.settings):
                raise ValueError("of other settings")
            self.model.load_state_dict(parts["model"])
            self.optimizer.load_state_dict(parts["optimizer"])
            self.schedule.load_state_dict(parts["schedule"])
            self.generator.set_state(parts["generator"].cpu())
            self.best_weights = parts["best_weights"]
            snapshots = {int(k): v.cpu().numpy() for k, v in parts["snapshots"].items()}
            self.result = Training(list(parts["history"]), parts["best_epoch"], snapshots)
        except Exception as error:  # torch raises many kinds for a damaged or foreign file
            raise CourseError(
                f"'{path}' is no checkpoint of this training; delete it and repeat."
            ) from error
