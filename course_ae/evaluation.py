"""Lessons 06 and 07: every figure of a run, from its scores and maps to summary.json."""

from typing import Any

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from course_ae import metrics
from course_ae.data import Sample, load_mask
from course_ae.images import image_size
from course_ae.pipeline import (
    Images,
    Scores,
    prepare,
    repairing,
    score_table,
    scored,
    scored_best,
    trained,
)
from course_ae.preprocessing import resize_mask
from course_ae.runs import Run, update_summary
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

# AUROC of the images and AU-PRO on class bottle, from the methods' own papers.
PUBLISHED = (
    ("RIAD (inpainting network, trained on good images only)", 0.999, None),
    ("DRAEM (network trained on painted defects)", 0.992, None),
    ("PaDiM (pretrained features)", 0.999, None),
    ("PatchCore (pretrained features)", 1.000, None),
    ("EfficientAD-M (pretrained features)", 1.000, 0.957),
)
NO_PIXELS = "no pixel figures: {} of {} defective images have no mask"


def judge(run: Run, scores: Scores, kind: str) -> dict[str, Any]:
    """The slides' protocol for one score, and what does not depend on its one split."""
    threshold = search_threshold(*scores.part(kind, "validation"))
    validation = confusion(*scores.part(kind, "validation"), threshold)
    test = confusion(*scores.part(kind, "test"), threshold)
    fraction = run.settings.threshold_fraction
    splits = metrics.f_normal_splits(scores.values[kind], scores.labels, fraction)
    return {
        "threshold": threshold,
        "validation": validation._asdict(),
        "test": test._asdict(),
        "f_normal": f_normal(test),
        "f1_defect": f1_defect(test),
        "auroc": metrics.auroc(scores.values[kind], scores.labels),
        "f_normal_splits": {
            "mean": float(splits.mean()),
            "p05": float(np.quantile(splits, 0.05)),
            "p95": float(np.quantile(splits, 0.95)),
        },
    }


def thresholds_of(scores: Scores, kind: str) -> dict[str, dict[str, Any]]:
    """Four ways to a threshold, and what each does to the test part.

    'slides' and 'youden' need labelled defects (the validation part), 'good_only' needs good images
    that were held out of the training, 'oracle' needs the answers: it is no detector, but a limit.
    """
    chosen = {
        "slides": search_threshold(*scores.part(kind, "validation")),
        "good_only": threshold_from_good(scores.good[kind]),
        "youden": youden_threshold(*scores.part(kind, "validation")),
        "oracle": oracle_threshold(*scores.part(kind, "test")),
    }
    return {name: _verdicts(scores, kind, threshold) for name, threshold in chosen.items()}


def _verdicts(scores: Scores, kind: str, threshold: float) -> dict[str, Any]:
    test = confusion(*scores.part(kind, "test"), threshold)
    return {
        "threshold": threshold,
        "test": test._asdict(),
        "f_normal": f_normal(test),
        "f1_defect": f1_defect(test),
        "balanced_accuracy": test.balanced_accuracy,
    }


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


def enlarge(maps: Tensor, masks: list[np.ndarray]) -> list[np.ndarray]:
    """Maps (N, 227, 227) at their masks' sizes, as the official evaluation has them."""
    return [
        F.interpolate(one[None, None], mask.shape, mode="bilinear")[0, 0].numpy()
        for one, mask in zip(maps, masks, strict=True)
    ]


def pixel_rates(maps: Tensor, masks: list[np.ndarray]) -> metrics.PixelRates:
    """The rates of all pixels of maps (N, H, W) at the masks' own size, for AU-PRO and AUROC."""
    return metrics.PixelRates(enlarge(maps, masks), masks)


def measure(scores: Scores, kind: str, masks: list[np.ndarray] | None) -> dict[str, Any]:
    """Figures of one score: 'image' with intervals, 'pixel', and each of them 'per_defect'.

    Args:
        scores: the scored test images.
        kind: which score.
        masks: their masks, (H, W) bool each, or None if one is missing; 'pixel' is then None.
    """
    values, labels = scores.values[kind], scores.labels
    threshold = search_threshold(*scores.part(kind, "validation"))
    image = {
        "auroc": metrics.estimate(metrics.auroc, values, labels),
        "average_precision": metrics.estimate(metrics.average_precision, values, labels),
        **metrics.threshold_estimates(*scores.part(kind, "test"), threshold),
    }
    rates = pixel_rates(scores.maps[kind], masks) if masks else None
    overlaps = rates.overlap_areas() if rates else []
    pixel, per_defect = None, {}
    if rates:
        pixel = {"auroc": rates.auroc(), "au_pro": float(np.concatenate(overlaps).mean())}
    for defect in sorted(set(scores.defects) - {"good"}):
        where = scores.defects == defect
        among_good = where | (labels == 0)
        regions = [overlaps[i] for i in np.flatnonzero(where)] if rates else []
        per_defect[defect] = {
            "images": int(where.sum()),
            "auroc": metrics.auroc(values[among_good], labels[among_good]),
            "au_pro": float(np.concatenate(regions).mean()) if rates else None,
        }
    return {"image": image, "pixel": pixel, "per_defect": per_defect}


def evaluate(run: Run, images: Images, scores: Scores) -> dict[str, Any]:
    """Every figure of the run's scores and of the baselines; also written to summary.json.

    The baselines need no network: calling everything normal, and the mean image of the good ones
    in place of the reconstruction.
    """
    masks = masks_of(run.test)
    figures = {kind: measure(scores, kind, masks) for kind in scores.values}
    grouped = {
        group: {kind: found[group] for kind, found in figures.items()}
        for group in ("image", "pixel", "per_defect")
    }
    if masks is None:
        missing = sum(sample.label and sample.mask_path is None for sample in run.test)
        grouped["note"] = NO_PIXELS.format(missing, int(scores.labels.sum()))
    return update_summary(
        run,
        scores={kind: judge(run, scores, kind) for kind in scores.values},
        thresholds={kind: thresholds_of(scores, kind) for kind in scores.values},
        metrics=grouped,
        baselines=_baselines(run, images, scores, masks),
    )


def evaluate_all(run: Run, second: bool = True) -> dict[str, Any]:
    """What lessons 04 to 07 find out about the run's networks; they are trained now if need be.

    Args:
        run: the run.
        second: where the run's network does not repair, lesson 07 has a second one. False leaves
            it out, and the score of lesson 07 with it.
    """
    images = prepare(run)
    scores = scored(run, images, trained(run, images))
    if second or run.settings.repair:
        scored_best(run, images, repairing(run, images), scores)
    return evaluate(run, images, scores)


def overview(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """One row a detector of summary.json, the baselines last: AUROC, mean F and AU-PRO."""
    pixel = summary["metrics"]["pixel"]
    rows = {
        f"autoencoder, {kind}": (found, pixel[kind]) for kind, found in summary["scores"].items()
    }
    for name, found in summary["baselines"].items():
        rows[name.replace("_", " ")] = found, found.get("pixel")
    return [
        {
            "detector": name,
            "AUROC": found["auroc"],
            "mean F (normal)": found.get("f_normal_splits", {"mean": found["f_normal"]})["mean"],
            "AU-PRO": area and area["au_pro"],
        }
        for name, (found, area) in rows.items()
    ]


def _baselines(
    run: Run, images: Images, scores: Scores, masks: list[np.ndarray] | None
) -> dict[str, Any]:
    labels = scores.labels[scores.test]
    all_normal = Confusion(tn=int((labels == 0).sum()), fp=0, fn=int(labels.sum()), tp=0)
    found = {"all_normal": {"auroc": 0.5, "f_normal": f_normal(all_normal)}}
    no_network = score_table(run, images, images.mean.expand_as, ("l2", "ssim", "best"))
    for kind in no_network.values:
        rates = pixel_rates(no_network.maps[kind], masks) if masks else None
        pixel = rates and {"auroc": rates.auroc(), "au_pro": rates.au_pro()}
        found[f"mean_image_{kind}"] = {**judge(run, no_network, kind), "pixel": pixel}
    return found
