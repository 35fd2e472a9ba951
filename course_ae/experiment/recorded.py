"""Runs that were made once and are kept as numbers, so that a lesson can show them beside its own.

The files lie in `recorded_runs`, one a run, written by `python tests/record.py` in a checkout. Each
holds what summary.json does and, where they were kept:

    made_with      versions and device, the data's fingerprint, and if the images were drawn
    history        a row an epoch: epoch, train_loss, val_loss, seconds
    image_scores   a row a test image: path, defect_type, label, part, one value a score
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from course_ae import metrics
from course_ae.datasets.samples import DRAWN
from course_ae.experiment.evaluation import SCORE_NAMES, Row, rows_of
from course_ae.settings import make_settings
from course_ae.support.files import read_csv

FOLDER = Path(__file__).parent / "recorded_runs"
LOSS_NAMES = {"ssim": "SSIM", "l2": "L2", "ssim_l1": "SSIM + L1"}
RecordedRun = dict[str, Any]


def runs(category: str = "bottle", profile: str = "slides") -> list[RecordedRun]:
    """The recorded runs of a category and a profile, sorted by loss and seed; there may be none."""
    paths = FOLDER.glob(f"{category}-{profile}-*.json")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return sorted(found, key=lambda run: (run["settings"]["loss"], run["settings"]["seed"]))


def by_loss(category: str = "bottle", profile: str = "slides") -> dict[str, list[RecordedRun]]:
    """The recorded runs by what their training minimised."""
    found: dict[str, list[RecordedRun]] = {}
    for run in runs(category, profile):
        found.setdefault(run["settings"]["loss"], []).append(run)
    return found


def curves(found: dict[str, list[RecordedRun]]) -> dict[str, list[RecordedRun]]:
    """Those of `by_loss` whose histories were kept: what `figures.recorded_curves` draws."""
    kept = {loss: [run for run in some if "history" in run] for loss, some in found.items()}
    return {loss: some for loss, some in kept.items() if some}


def trainings(category: str = "bottle", profile: str = "slides") -> list[dict[str, Any]]:
    """A row a run for `replication.slides_claims`: loss, seed, dependence, AUROC of each score."""
    return [
        {
            "loss": run["settings"]["loss"],
            "seed": run["settings"]["seed"],
            "dependence": _dependence(run["training"]),
            **{f"auroc_{name}": run["scores"][name]["auroc"]["value"] for name in ("l2", "ssim")},
        }
        for run in runs(category, profile)
    ]


def both_ways(category: str = "bottle", profile: str = "slides") -> list[int]:
    """The seeds recorded with both of the slides' scores as the loss: pairs of trainings."""
    rows = trainings(category, profile)
    ssim, l2 = ({row["seed"] for row in rows if row["loss"] == loss} for loss in ("ssim", "l2"))
    return sorted(ssim & l2)


def deciding_profile(category: str = "bottle") -> str:
    """The profile whose recorded runs answer the slides' claims.

    The slides' own where two seeds at least were trained with both losses; otherwise the one with
    the most such seeds.
    """
    seeds = {profile: len(both_ways(category, profile)) for profile in ("slides", "quick", "best")}
    return "slides" if seeds["slides"] > 1 else max(seeds, key=lambda profile: seeds[profile])


def recipe(profile: str) -> str:
    """What a profile trains, in words, so that a number can say where it comes from."""
    s = make_settings(profile)
    name = "the slides' full recipe" if profile == "slides" else f"profile {profile}"
    copies = "with" if s.flips else "without"
    return (
        f"{name} ({s.width:.0%} of AlexNet's width, a code of {s.bottleneck} numbers, {s.epochs} "
        f"epochs at most, {copies} flipped copies)"
    )


def split_ranges(category: str = "bottle") -> list[dict[str, Any]]:
    """A row a recorded run: its name, and for each of the slides' scores F over many splits.

    The names of the scores hold tables of mean, p05 and p95; "gap" that of F of L2 minus F of SSIM
    on the same split, or None where the scores of the images were not kept.
    """
    return [
        {"run": f"{profile}, {LOSS_NAMES[run['settings']['loss']]}, seed {run['settings']['seed']}"}
        | {name: run["scores"][name]["f_normal_splits"] for name in ("l2", "ssim")}
        | {"gap": _split_gap(run)}
        for profile in ("slides", "quick", "best")
        for run in runs(category, profile)
    ]


def _split_gap(run: RecordedRun) -> dict[str, float] | None:
    if "image_scores" not in run:
        return None
    values, labels = image_scores(run)
    fraction = run["settings"]["calibration_fraction"]
    l2, ssim = (metrics.f_normal_splits(one, labels, fraction) for one in values.T)
    low, high = np.quantile(l2 - ssim, [0.05, 0.95])
    return {"mean": float((l2 - ssim).mean()), "p05": float(low), "p95": float(high)}


def image_scores(run: RecordedRun) -> tuple[np.ndarray, np.ndarray]:
    """L2 and SSIM scores (N, 2) of a run's test images by path, and their labels (N,)."""
    rows = sorted(run["image_scores"], key=lambda row: row["path"])
    values = np.array([[float(row[name]) for name in ("l2", "ssim")] for row in rows])
    return values, np.array([int(row["label"]) for row in rows])


def paired_scores(
    category: str = "bottle", profile: str = "slides"
) -> tuple[np.ndarray, np.ndarray] | None:
    """Scores of the seeds trained both ways, (N, seeds, losses, scores), and the labels (N,).

    Losses are SSIM and L2, scores L2 and SSIM, in this order. None where the scores of the images
    were not kept for all of these runs.
    """
    found = {(run["settings"]["loss"], run["settings"]["seed"]): run
             for run in runs(category, profile)}  # fmt: skip
    seeds = both_ways(category, profile)
    pairs = [[found[loss, seed] for loss in ("ssim", "l2")] for seed in seeds]
    if not pairs or not all("image_scores" in run for pair in pairs for run in pair):
        return None
    values = np.array([[image_scores(run)[0] for run in pair] for pair in pairs])
    return np.moveaxis(values, 2, 0), image_scores(pairs[0][0])[1]


def _dependence(training: dict[str, float]) -> float:
    varied = training["input_std_over_images"]
    return training["output_std_over_images"] / varied if varied else 1.0


def spread(values: Sequence[float | None]) -> str:
    """The mean and, where they differ, the lowest and the highest; '' where one is missing."""
    if not values or None in values:
        return ""
    mean, low, high = sum(values) / len(values), min(values), max(values)
    return f"{mean:.3f}" + (f" ({low:.3f} to {high:.3f})" if low < high else "")


def score_table(
    category: str = "bottle", profile: str = "slides", normalised: bool = False
) -> list[dict[str, Any]]:
    """A row a detector for a lesson's table, its figures as mean (lowest to highest) of the seeds.

    The slides' two scores after each training loss, then what needs no network. There is no row
    where no run was recorded.

    Args:
        category: of the recorded runs.
        profile: of the recorded runs.
        normalised: True adds the score of lesson 08, where it was recorded.
    """
    groups: dict[tuple[str, str], dict[int, Any]] = {}  # of each seed one row of figures
    for run in runs(category, profile):
        for row in rows_of(run):
            is_own = row.detector in SCORE_NAMES.values()
            trained = LOSS_NAMES[run["settings"]["loss"]] if is_own else "no network"
            groups.setdefault((trained, row.detector), {})[run["settings"]["seed"]] = row
    ordered = sorted(groups.items(), key=lambda group: group[0][0] == "no network")
    return [
        {
            "trained with": trained,
            "score": detector,
            "runs": len(by_seed),
            "AUROC": spread([row.auroc for row in by_seed.values()]),
            "AU-PRO": spread([row.au_pro for row in by_seed.values()]),
            "mean F (normal)": spread([
                row.f_splits[0] if row.f_splits else row.f_normal for row in by_seed.values()
            ]),
        }
        for (trained, detector), by_seed in ordered
        if normalised or "normalised" not in detector
    ]  # fmt: skip


def drawn_categories() -> list[dict[str, Any]]:
    """A row a drawn category: AUROC and AU-PRO of lesson 08's map, its network's and opponents'."""
    detectors = {"mean image": "mean image, normalised", "PCA": "PCA, normalised",
                 "network of lesson 08": "normalised"}  # fmt: skip
    rows = []
    for category in DRAWN:
        by_run = _by_detector(runs(f"drawn-{category}", "quick"))
        if by_run:
            told = {
                f"{name}, {said}": spread([getattr(run[key], measure) for run in by_run])
                for measure, said in (("auroc", "AUROC"), ("au_pro", "AU-PRO"))
                for name, key in detectors.items()
            }
            rows.append({"category": category, "runs": len(by_run), **told})
    return rows


def against_memory() -> list[dict[str, Any]]:
    """A row a product: lesson 08's map from memory alone, the mean image or PCA, and its network's.

    Drawn products with profile quick, real ones with profile best; each figure is the mean over the
    recorded seeds, or None where one of them has no masks. Between them the slides' two scores, of
    the network that profile quick trains with SSIM; None where it was not recorded.
    """
    named = {f"drawn {name}": (f"drawn-{name}", "quick") for name in DRAWN}
    real = {path.name.split("-best-")[0] for path in FOLDER.glob("*-best-*.json")}
    named |= {f"real {name}": (name, "best") for name in sorted(real)}
    ours = {"mean image": "mean image, normalised", "PCA": "PCA, normalised",
            "network": "normalised"}  # fmt: skip
    rows = []
    for product, (category, profile) in named.items():
        by_run = _by_detector(runs(category, profile))
        plain = _by_detector(by_loss(category, "quick").get("ssim", []))
        if by_run and all(set(ours.values()) <= set(run) for run in by_run):
            rows.append(
                {"product": product, "runs": len(by_run)}
                | {f"AUROC, {name}": _mean(by_run, key, "auroc") for name, key in ours.items()}
                | {f"slides, {name}": _mean(plain, name, "auroc") for name in ("L2", "SSIM")}
                | {f"AU-PRO, {name}": _mean(by_run, key, "au_pro") for name, key in ours.items()}
            )
    return rows


def _by_detector(found: list[RecordedRun]) -> list[dict[str, Row]]:
    return [{row.detector: row for row in rows_of(run)} for run in found]


def _mean(found: list[dict[str, Row]], detector: str, measure: str) -> float | None:
    """The mean of a detector's measure over runs; None without any, or if one has not got it."""
    values = [getattr(run[detector], measure) for run in found]
    return None if not values or None in values else sum(values) / len(values)


def trials() -> list[dict[str, str]]:
    """A row an idea of lesson 08, kept or not, and what it reached on the development set."""
    return read_csv(FOLDER / "trials.csv")


def trial_now(category: str) -> dict[str, str]:
    """A row as those of `trials`, of the present recipe: AUROC and AU-PRO of a category's seed 0.

    Empty where no such run of profile best was recorded.
    """
    for run in runs(category, "best"):
        s = run["settings"]
        if s["seed"] == 0:
            (row,) = [row for row in rows_of(run) if row.detector == "normalised"]
            told = {f"{category}, AUROC": row.auroc, f"{category}, AU-PRO": row.au_pro}
            numbers = {name: "" if n is None else f"{n:.3f}" for name, n in told.items()}
            idea = f"recorded now, {s['epochs']} epochs, two looks, a fine and wide map"
            return {"idea": idea, "kept": "yes"} | numbers
    return {}


def denoiser_trials() -> list[dict[str, str]]:
    """A row a network that repairs drawn bottles: what it finds, and how well it rebuilds.

    One training each, with weight 60 of the marked stains, one look, and the map of the pixels
    smoothed twice, judged by the test images.
    """
    return read_csv(FOLDER / "denoiser_trials.csv")


def plain_trials() -> list[dict[str, Any]]:
    """A row a try to rebuild real bottles, with its loss 1 - SSIM on new images and on its own.

    First the recorded runs of profiles slides and quick, then single trials of other recipes, and
    PCA with codes of several sizes. `pca` is what PCA with 100 numbers has on the same new images.
    """
    rows = [
        {"recipe": f"profile {profile}, seed {run['settings']['seed']}"}
        | {name: run["training"].get(key) for name, key in TRIED.items()}
        for profile in ("slides", "quick")
        for run in by_loss("bottle", profile).get("ssim", [])
    ]
    return rows + [{name: row[name] for name in ("recipe", *TRIED)} for row in _tried("plain")]


def gradient_trials() -> list[dict[str, Any]]:
    """A row a step from the old recipe of profile quick to the present one, or beside it.

    Of drawn bottles, seed 1, one training each: the length gradients were cut to (0: not cut), the
    loss 1 - SSIM of validation images, and the share of them drawn nearest to their own image.
    """
    return _tried("gradient")


def _tried(name: str) -> list[dict[str, Any]]:
    """The rows of a table of trials: a recipe in words, and numbers, None where one is missing."""
    return [
        {
            "recipe": row.pop("recipe"),
            "epochs": int(epochs) if (epochs := row.pop("epochs")) else None,
        }
        | {key: float(value) if value else None for key, value in row.items()}
        for row in read_csv(FOLDER / f"{name}_trials.csv")
    ]


TRIED = {
    "epochs": "epochs",
    "validation": "val_loss",
    "training": "train_loss",
    "pca": "pca_loss",
}  # a column of `plain_trials`, and its name in a summary's `training`


def trainings_caption(found: dict[str, list[RecordedRun]]) -> str:
    """How the trainings of `by_loss` went, in words and numbers."""
    if not found:
        return "No training on real images was recorded."
    return " ".join(_told(loss, of_loss) for loss, of_loss in found.items())


def _told(loss: str, found: list[RecordedRun]) -> str:
    epochs = [run["training"]["epochs"] for run in found]
    best = [run["training"]["best_epoch"] for run in found]
    most = found[0]["settings"]["epochs"]
    early = sum(count < most for count in epochs)
    ended = f"stopped after {_span(epochs)} epochs" if early else f"went on for {_span(epochs)}"
    losses = _span([run["training"]["val_loss"] for run in found])
    text = (
        f"Trained with {LOSS_NAMES[loss]}, {_plural(len(found), 'seed')}: {ended} (of {most} at "
        f"most), kept the weights of epoch {_span(best)}, validation loss {losses}"
    )
    beside = {name: reference_loss(found, key) for key, name in REFERENCES.items()}
    known = [f"{name} {value:.3g}" for name, value in beside.items() if value is not None]
    return f"{text}; {', '.join(known)}."


REFERENCES = {"mean_image_loss": "mean image", "pca_loss": "PCA"}  # in a summary's `training`


def reference_loss(found: list[RecordedRun], key: str) -> float | None:
    """The mean over runs of one of `REFERENCES`; None where no run has it."""
    values = [run["training"][key] for run in found if run["training"].get(key) is not None]
    return sum(values) / len(values) if values else None


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" + ("" if count == 1 else "s")


def scores_caption(category: str = "bottle", profile: str = "slides") -> str:
    """How many runs `score_table` speaks of, in words."""
    found = [LOSS_NAMES[run["settings"]["loss"]] for run in runs(category, profile)]
    if not found:
        return f"No run of profile {profile} on {category} was recorded."
    parts = [
        f"{_plural(found.count(loss), 'run')} trained with {loss}" for loss in sorted(set(found))
    ]
    return (
        f"The same on real images ({category}, profile {profile}, recorded): {', '.join(parts)}; "
        "mean over the seeds, in brackets the lowest and the highest."
    )
