"""Lesson 07: what the slides conclude, held against several trainings."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from course_ae import metrics
from course_ae.experiment.callbacks import Progress
from course_ae.experiment.dependence import depends_on_input
from course_ae.experiment.run_folder import Run, reserved
from course_ae.experiment.stages import add_slides_scores, new_scores
from course_ae.preprocessing import Images
from course_ae.settings import Settings
from course_ae.support.device import choose_device
from course_ae.support.files import read_csv, write_csv
from course_ae.training import build_model, fit, reconstruct

LOSSES = ("ssim", "l2")
EPOCHS = 6  # of each training of the pair, at most
SHORT = {"denoise": False, "skips": False, "flips": False, "one_cycle": True,
         "epoch_images": 0}  # fmt: skip


def pair(run: Run, images: Images) -> list[dict[str, Any]]:
    """One network trained with SSIM and one with L2, the same seed, each scored with both scores.

    Both are short trainings of the run's network on the originals. The rows are kept in pair.csv:
    loss, seed and epochs of the training, how much the output depends on the input, and for each
    score the AUROC on the test images.
    """
    path = run.folder / "pair.csv"
    with reserved(run, "training", patience=10):
        rows = _read_rows(path) if path.is_file() else []
        for settings in pair_settings(run.settings)[len(rows) :]:
            facts = {"loss": settings.loss, "seed": settings.seed, "epochs": settings.epochs}
            rows.append({**facts, **_trial(run, images, settings)})
            write_csv(path, rows)  # each one when it is finished, so a stop loses only one
    return rows


def pair_settings(settings: Settings) -> list[Settings]:
    """Those of the pair: the run's own, but for the loss and a short training."""
    short = replace(settings, **SHORT, epochs=min(settings.epochs, EPOCHS))
    return [replace(short, loss=loss) for loss in LOSSES]


def _read_rows(path: Path) -> list[dict[str, Any]]:
    types: dict[str, Callable] = {"loss": str, "seed": int, "epochs": int}
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
    row = {"dependence": depends_on_input(model, images.val).ratio}
    for name, values in scores.values.items():
        row[f"auroc_{name}"] = metrics.auroc(values, scores.labels)
    return row


@dataclass(frozen=True)
class Claim:
    """A sentence about two ways of doing something, and the differences that decide it."""

    text: str
    seeds: int  # trained both ways
    difference: float | None  # mean over them; above 0 speaks for the sentence; None without any
    low: float | None  # 95 % interval of that mean; None for fewer than two seeds
    high: float | None

    @property
    def verdict(self) -> str:
        """'holds' or 'does not hold' where the interval lies to one side of 0."""
        if self.low is None or self.high is None:
            return "not enough recorded runs"
        if self.low > 0:
            return "holds"
        return "does not hold" if self.high < 0 else "undecided"

    def as_row(self) -> dict[str, Any]:
        """For summary.json."""
        return {**asdict(self), "verdict": self.verdict}


def slides_claims(rows: list[dict[str, Any]]) -> list[Claim]:
    """What the slides conclude, held against the AUROC of trainings with SSIM and with L2.

    Only seeds that were trained with both count: one pair of the same seed is one difference.

    Args:
        rows: a training each, as `recorded.trainings` gives them.
    """
    ssim, l2 = ({row["seed"]: row for row in rows if row["loss"] == loss} for loss in LOSSES)
    pairs = [(ssim[seed], l2[seed]) for seed in sorted(ssim.keys() & l2.keys())]
    by_score = [np.mean([row["auroc_l2"] - row["auroc_ssim"] for row in pair]) for pair in pairs]
    claims = [_claim("L2 separates better than SSIM, as a score", by_score)]
    for name in ("l2", "ssim"):
        gaps = [a[f"auroc_{name}"] - b[f"auroc_{name}"] for a, b in pairs]
        text = f"SSIM trains better than L2, seen by the {name.upper()} score"
        claims.append(_claim(text, gaps))
    return claims


def _claim(text: str, differences: list[float]) -> Claim:
    seeds = len(differences)
    if seeds < 2:
        return Claim(text, seeds, float(differences[0]) if seeds else None, None, None)
    return Claim(text, seeds, *metrics.mean_interval(np.array(differences)))


def by_images(values: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """The same three differences, with the interval that the luck of the images gives them.

    The networks stay as they are, and all of them meet the same draw of test images.

    Args:
        values: from `recorded.paired_scores`, (N, seeds, losses, scores).
        labels: 1 for defective, 0 for good, (N,).
    """
    found = []
    for number in range(3):
        of = partial(_difference, number)
        found.append(metrics.estimate(of, values, labels))
    return found


def _difference(number: int, values: np.ndarray, labels: np.ndarray) -> float:
    """Of the claim with this number, mean over the seeds; arguments as `by_images`."""
    auroc = np.apply_along_axis(metrics.auroc, 0, values, labels)  # (seeds, losses, scores)
    if number == 0:
        return (auroc[:, :, 0] - auroc[:, :, 1]).mean()
    return (auroc[:, 0, number - 1] - auroc[:, 1, number - 1]).mean()


def standing(low: float, high: float) -> str:
    """'ahead' or 'behind' where the interval of a difference leaves 0 out, else 'level'."""
    return "ahead" if low > 0 else "behind" if high < 0 else "level"


def verdict(claim: Claim, images: dict[str, float] | None) -> str:
    """What the luck of the images, `by_images`, and that of the training say together."""
    if claim.low is None or claim.high is None or images is None:
        return claim.verdict
    word, over_seeds = standing(images["low"], images["high"]), standing(claim.low, claim.high)
    if word == over_seeds:
        return word
    if word == "level":
        return "level; other images might turn it"
    return f"{word} with these networks; other seeds might turn it"


def claim_table(
    claims: list[Claim], found: Sequence[dict[str, float]] = ()
) -> list[dict[str, Any]]:
    """A row a claim, for a lesson's table.

    Args:
        claims: from `slides_claims`.
        found: from `by_images`; empty where the scores of the images were not kept.
    """
    images = found or [None] * len(claims)
    return [
        {
            "claim": claim.text,
            "seeds": claim.seeds,
            "difference of AUROC": "" if claim.difference is None else f"{claim.difference:+.3f}",
            "95 % by the images": "" if one is None else _ends(one["low"], one["high"]),
            "95 % by the training": _ends(claim.low, claim.high),
            "verdict": verdict(claim, one),
        }
        for claim, one in zip(claims, images, strict=True)
    ]


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None else f"{low:+.3f} to {high:+.3f}"
