"""Lesson 06: what the slides conclude, held against several trainings."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from course_ae import metrics
from course_ae.experiment.callbacks import Progress
from course_ae.experiment.run_folder import Run, reserved
from course_ae.experiment.stages import add_slides_scores, new_scores
from course_ae.preprocessing import Images
from course_ae.settings import Settings
from course_ae.support.device import choose_device
from course_ae.support.files import read_csv, write_csv
from course_ae.training import build_model, depends_on_input, fit, reconstruct

EPOCHS = 8  # of each training, at most
TWINS = {"denoise": False, "skips": False, "flips": False, "one_cycle": True}
SEEDS = (0, 1, 2)


def two_by_two(run: Run, images: Images) -> list[dict[str, Any]]:
    """The slides' claim, tested: trained with SSIM or L2, scored with SSIM or L2, three seeds each.

    The networks are those of the run, but trained for at most 8 epochs on the originals. The rows
    are kept in two_by_two.csv: loss and seed of the training, how much the output depends on the
    input, and for each score the AUROC on the test images.
    """
    path = run.folder / "two_by_two.csv"
    with reserved(run, "training", patience=10):
        rows = _read_rows(path) if path.is_file() else []
        finished = {(row["loss"], row["seed"]) for row in rows}
        for loss, seed in product(("ssim", "l2"), SEEDS):
            if (loss, seed) not in finished:
                epochs = min(run.settings.epochs, EPOCHS)
                settings = replace(run.settings, **TWINS, epochs=epochs, loss=loss, seed=seed)
                rows.append({"loss": loss, "seed": seed, **_trial(run, images, settings)})
                write_csv(path, rows)  # each one when it is finished, so a stop loses only one
    return rows


def _read_rows(path: Path) -> list[dict[str, Any]]:
    types = {"loss": str, "seed": int}
    return [
        {name: types.get(name, float)(value) for name, value in row.items()}
        for row in read_csv(path)
    ]


def _trial(run: Run, images: Images, settings: Settings) -> dict[str, float]:
    device = choose_device()
    model = build_model(settings, device)
    fit(model, images.train.to(device), images.val.to(device), settings, [Progress()])
    scores = new_scores(run)
    add_slides_scores(scores, images, partial(reconstruct, model))
    row = {"dependence": depends_on_input(model, images.good).ratio}
    for name, values in scores.values.items():
        row[f"auroc_{name}"] = metrics.auroc(values, scores.labels)
    return row


@dataclass(frozen=True)
class Claim:
    """A sentence about two ways of doing something, and the differences that decide it."""

    text: str
    difference: float  # mean over the trainings; above 0 speaks for the sentence
    low: float  # 95 % interval of that mean
    high: float

    @property
    def verdict(self) -> str:
        """'holds' or 'does not hold' where the interval lies to one side of 0."""
        if self.low > 0:
            return "holds"
        return "does not hold" if self.high < 0 else "undecided"

    def as_row(self) -> dict[str, Any]:
        """For summary.json."""
        return {**asdict(self), "verdict": self.verdict}


def slides_claims(rows: list[dict[str, Any]]) -> list[Claim]:
    """What the slides conclude, held against the AUROC of the networks of `two_by_two`."""
    by_loss = {loss: [row for row in rows if row["loss"] == loss] for loss in ("ssim", "l2")}
    both = zip(by_loss["ssim"], by_loss["l2"], strict=True)  # of the same seed, one luck
    by_score = [np.mean([row["auroc_l2"] - row["auroc_ssim"] for row in pair]) for pair in both]
    claims = [_claim("L2 separates better than SSIM, as a score", by_score)]
    for name in ("l2", "ssim"):
        pairs = zip(by_loss["ssim"], by_loss["l2"], strict=True)  # of the same seed
        gaps = [a[f"auroc_{name}"] - b[f"auroc_{name}"] for a, b in pairs]
        text = f"SSIM trains better than L2, seen by the {name.upper()} score"
        claims.append(_claim(text, gaps))
    return claims


def _claim(text: str, differences: list[float]) -> Claim:
    return Claim(text, *metrics.mean_interval(np.array(differences)))
