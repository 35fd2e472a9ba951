"""Lessons 06 to 08: every figure of a run, from its scores and maps to summary.json.

Each figure stands there once. `scores` and, below `baselines`, `mean_image` and `pca` hold the
figures of each score by its name:

    auroc, average_precision             over all test images
    threshold, calibration, test         the slides' protocol: one split, and its two confusions
    f_normal, f1_defect, balanced_accuracy   of the test part with that threshold
    f_normal_splits                      F over many random splits
    pixel                                auroc and au_pro, or None where a mask is missing
    per_defect_type, other_thresholds

Those with an interval are tables of value, low and high. `pca_size`, below `baselines`, is the
size of PCA's code.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from course_ae import metrics
from course_ae.baselines import PCA_SIZE, LinearAutoencoder, cross_fitted
from course_ae.data import Sample, load_mask
from course_ae.datasets.inspection import no_pixel_figures
from course_ae.experiment.run_folder import (
    Run,
    damaged,
    read_json,
    read_summary,
    update_summary,
)
from course_ae.experiment.stages import (
    add_normalised_score,
    add_slides_scores,
    denoiser,
    new_scores,
    prepare,
    scored,
    scored_normalised,
    trained,
)
from course_ae.preprocessing import Images, resize_mask
from course_ae.scoring import Scores
from course_ae.support.images import image_size
from course_ae.thresholds import (
    Confusion,
    confusion,
    f1_defect,
    f_normal,
    oracle_threshold,
    search_threshold,
    threshold_from_good,
    youden_threshold,
)

# AUROC of the images on bottle and transistor and AU-PRO on bottle, as published, and where.
PUBLISHED = (
    (
        "RIAD (inpainting network, good images only)",
        0.999,
        0.909,
        None,
        "its paper; repeated by others: 0.971 and 0.918",
    ),
    (
        "CutPaste (learns to tell pasted pieces)",
        0.983,
        0.955,
        None,
        "its paper; repeated by others: 0.996 and 0.930",
    ),
    ("DRAEM (trained on painted defects, with foreign textures)", 0.992, 0.931, None, "its paper"),
    ("PaDiM (pretrained features)", 0.999, None, None, "README of the library anomalib"),
    ("PatchCore (pretrained features)", 1.000, None, None, "README of the library anomalib"),
    ("EfficientAD-M (pretrained features)", 1.000, None, 0.957, "its paper"),
)


def masks_of(samples: list[Sample]) -> list[np.ndarray] | None:
    """The masks of all test images at their own size, bool (H, W); None if one is missing."""
    masks = []
    for sample in samples:
        mask = load_mask(sample)
        if mask is None and sample.label:
            return None
        masks.append(np.zeros(image_size(sample.path), bool) if mask is None else mask)
    return masks


def masks_at_map_size(samples: list[Sample]) -> list[np.ndarray | None]:
    """The masks of all test images to draw, (227, 227) bool each; None where there is none."""
    return [resize_mask(load_mask(sample)) for sample in samples]


def pixel_rates(maps: Tensor, masks: list[np.ndarray]) -> metrics.PixelRates:
    """The rates of all pixels of maps (N, H, W) at the masks' own size, for AU-PRO and AUROC."""
    enlarged = [
        F.interpolate(one[None, None], mask.shape, mode="bilinear")[0, 0].numpy()
        for one, mask in zip(maps, masks, strict=True)
    ]
    return metrics.PixelRates(enlarged, masks)


def judge(scores: Scores, name: str, fraction: float) -> dict[str, Any]:
    """The slides' protocol for one score, and its spread over many splits, without intervals.

    Args:
        scores: the scored test images.
        name: which score.
        fraction: share of the calibration part.
    """
    threshold = search_threshold(*scores.part(name, "calibration"))
    test = confusion(*scores.part(name, "test"), threshold)
    splits = metrics.f_normal_splits(scores.values[name], scores.labels, fraction)
    return {
        "auroc": {"value": metrics.auroc(scores.values[name], scores.labels)},
        "threshold": threshold,
        "calibration": confusion(*scores.part(name, "calibration"), threshold)._asdict(),
        "test": test._asdict(),
        "f_normal": {"value": f_normal(test)},
        "f_normal_splits": {
            "mean": float(splits.mean()),
            "p05": float(np.quantile(splits, 0.05)),
            "p95": float(np.quantile(splits, 0.95)),
        },
    }


def measure(
    scores: Scores, name: str, fraction: float, masks: list[np.ndarray] | None
) -> dict[str, Any]:
    """All figures of one score, with intervals.

    Args:
        scores: the scored test images.
        name: which score.
        fraction: share of the calibration part.
        masks: their masks, (H, W) bool each, or None if one is missing.
    """
    found = judge(scores, name, fraction)
    values, labels = scores.values[name], scores.labels
    rates = pixel_rates(scores.maps[name], masks) if masks else None
    return {
        **found,
        "auroc": metrics.estimate(metrics.auroc, values, labels),
        "average_precision": metrics.estimate(metrics.average_precision, values, labels),
        **metrics.threshold_estimates(*scores.part(name, "test"), found["threshold"]),
        "pixel": rates and _pixel(rates),
        "per_defect_type": _per_defect_type(scores, name, rates),
        "other_thresholds": _other_thresholds(scores, name),
    }


def _pixel(rates: metrics.PixelRates) -> dict[str, float]:
    return {"auroc": rates.auroc(), "au_pro": rates.au_pro()}


def _per_defect_type(
    scores: Scores, name: str, rates: metrics.PixelRates | None
) -> dict[str, dict[str, Any]]:
    values, labels, found = scores.values[name], scores.labels, {}
    overlaps = rates.overlap_areas() if rates else []
    for defect_type in sorted(set(scores.defect_types) - {"good"}):
        where = scores.defect_types == defect_type
        among_good = where | (labels == 0)
        regions = [overlaps[i] for i in np.flatnonzero(where)] if rates else []
        found[defect_type] = {
            "images": int(where.sum()),
            "auroc": metrics.auroc(values[among_good], labels[among_good]),
            "au_pro": float(np.concatenate(regions).mean()) if rates else None,
        }
    return found


def _other_thresholds(scores: Scores, name: str) -> dict[str, dict[str, Any]]:
    """Three more ways to a threshold, and what each does to the test part.

    'good_only' needs good images that were held out of the training, 'youden' labelled defects
    (the calibration part), 'oracle' the answers: it is no detector, but a limit.
    """
    chosen = {
        "good_only": threshold_from_good(scores.good[name]),
        "youden": youden_threshold(*scores.part(name, "calibration")),
        "oracle": oracle_threshold(*scores.part(name, "test")),
    }
    return {way: _verdicts(scores, name, threshold) for way, threshold in chosen.items()}


def _verdicts(scores: Scores, name: str, threshold: float) -> dict[str, Any]:
    test = confusion(*scores.part(name, "test"), threshold)
    return {
        "threshold": threshold,
        "test": test._asdict(),
        "f_normal": f_normal(test),
        "f1_defect": f1_defect(test),
        "balanced_accuracy": test.balanced_accuracy,
    }


def threshold_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each way to a threshold, the slides' first: its counts in the test part and rates.

    Args:
        found: what `measure` gave for a score.
    """
    rates = ("f_normal", "f1_defect", "balanced_accuracy")
    slides = {"test": found["test"], **{rate: found[rate]["value"] for rate in rates}}
    return [
        {
            "threshold from": way,
            **one["test"],
            "F (normal)": one["f_normal"],
            "F1 (defects)": one["f1_defect"],
            "balanced accuracy": one["balanced_accuracy"],
        }
        for way, one in {"slides": slides, **found["other_thresholds"]}.items()
    ]


def evaluate(run: Run, images: Images, scores: Scores) -> dict[str, Any]:
    """Every figure of the run's scores and of the baselines; also written to summary.json.

    The baselines need no network: calling everything normal, and as the reconstruction the mean
    image of the good ones, or what PCA makes of an image. They are the same whatever was trained,
    and worked out once a run.
    """
    masks, fraction = masks_of(run.test), run.settings.calibration_fraction
    found = {name: measure(scores, name, fraction, masks) for name in scores.values}
    baselines = read_summary(run).get("baselines") or _baselines(run, images, masks)
    note = {"note": no_pixel_figures(run.test)} if masks is None else {}
    return update_summary(run, scores=found, baselines=baselines, **note)


def _baselines(run: Run, images: Images, masks: list[np.ndarray] | None) -> dict[str, Any]:
    pca = LinearAutoencoder(images.train, PCA_SIZE)
    return {
        "all_normal": _all_normal(new_scores(run)),
        "mean_image": _linear(run, images, pca.truncated(0), masks),
        "pca": _linear(run, images, pca, masks),
        "pca_size": pca.size,
    }


def _all_normal(scores: Scores) -> dict[str, dict[str, float]]:
    defective = int(scores.labels[scores.test].sum())
    test = Confusion(tn=len(scores.test) - defective, fp=0, fn=defective, tp=0)
    return {"auroc": {"value": 0.5}, "f_normal": {"value": f_normal(test)}}


def _linear(
    run: Run, images: Images, rebuild: LinearAutoencoder, masks: list[np.ndarray] | None
) -> dict[str, dict[str, Any]]:
    scores, found = new_scores(run), {}
    add_slides_scores(scores, images, rebuild)
    train_hat = cross_fitted(images.train, rebuild.size)
    add_normalised_score(scores, images, lambda x: (rebuild(x), None), train_hat)
    for name, maps in scores.maps.items():
        pixel = _pixel(pixel_rates(maps, masks)) if masks else None
        found[name] = {**judge(scores, name, run.settings.calibration_fraction), "pixel": pixel}
    return found


def evaluate_all(run: Run, second: bool = True) -> dict[str, Any]:
    """What lessons 04 to 08 find out about the run's networks; they are trained now if need be.

    Args:
        run: the run.
        second: where the run's network is no denoiser, lesson 08 has a second one. False leaves
            it out, and the score of lesson 08 with it.
    """
    images = prepare(run)
    scores = scored(run, images, trained(run, images))
    if second or run.settings.denoise:
        scored_normalised(run, images, denoiser(run, images), scores)
    return evaluate(run, images, scores)


class Row(NamedTuple):
    """The figures of one detector, as tables show them; None where there is none."""

    detector: str
    auroc: float
    pixel_auroc: float | None
    au_pro: float | None
    f_normal: float
    f_splits: tuple[float, float, float] | None  # mean, 5 % and 95 % quantile
    test: Confusion | None


SCORE_NAMES = {"l2": "L2", "ssim": "SSIM", "normalised": "normalised"}


def rows_of(summary: dict[str, Any]) -> list[Row]:
    """One row a detector of summary.json, the baselines last; older runs know nothing of PCA."""
    named = [(SCORE_NAMES[name], summary["scores"].get(name)) for name in SCORE_NAMES]
    baselines = summary["baselines"]
    named.append(("all called normal", baselines["all_normal"]))
    opponents = {"mean image": baselines["mean_image"], "PCA": baselines.get("pca", {})}
    for opponent, found in opponents.items():
        named += [(f"{opponent}, {text}", found.get(name)) for name, text in SCORE_NAMES.items()]
    return [_row(name, found) for name, found in named if found]


def _row(detector: str, found: dict[str, Any]) -> Row:
    pixel, splits, test = found.get("pixel") or {}, found.get("f_normal_splits"), found.get("test")
    return Row(
        detector,
        float(found["auroc"]["value"]),
        _number(pixel.get("auroc")),
        _number(pixel.get("au_pro")),
        float(found["f_normal"]["value"]),
        tuple(float(splits[name]) for name in ("mean", "p05", "p95")) if splits else None,
        Confusion(**{name: int(count) for name, count in test.items()}) if test else None,
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def read_rows(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """The settings and the detectors of a run.

    With the settings stands what else tells runs apart: if the images were `drawn`, and the
    fingerprint of the `data`.

    Args:
        path: its summary.json, or a recorded run.

    Raises:
        CourseError: if it is missing or damaged, or the run is not finished.
    """
    summary = read_json(path)
    with damaged(path):
        settings = dict(summary["settings"])
        if not {"category", "profile"} <= set(settings):
            raise KeyError("category and profile")
        beside = path.with_name("settings.json")
        about = summary.get("made_with") or (read_json(beside) if beside.is_file() else {})
        drawn = about.get("drawn", about.get("data") == "")
        settings |= {"drawn": drawn, "data": about.get("data_fingerprint")}
        hash(tuple(settings.values()))  # a list or a table among them is no setting
        return settings, rows_of(summary)


def overview(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a detector of summary.json for a lesson's table: AUROC, mean F and AU-PRO."""
    return [
        {
            "detector": row.detector,
            "AUROC": row.auroc,
            "mean F (normal)": row.f_splits[0] if row.f_splits else row.f_normal,
            "AU-PRO": row.au_pro,
        }
        for row in rows_of(summary)
    ]
