"""Lesson 07: from the slides' detector to a very good one, step by step.

The steps are chosen on good images with painted defects; the test images are opened at the end.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_ae import metrics
from course_ae.corruption import PAINTED
from course_ae.evaluation import masks_of, pixel_rates
from course_ae.model import ConvAutoencoder
from course_ae.pipeline import Images, rebuild
from course_ae.runs import Run
from course_ae.scoring import (
    best_map,
    difference_scores,
    highest,
    l2_difference,
    smoothed_map,
    unusual,
    widened,
)


class Step(NamedTuple):
    """One step of lesson 07."""

    name: str
    maps: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # as `best_map`
    score: Callable[[Tensor], Tensor]  # maps (N, H, W) to scores (N,)
    repairs: bool = False  # with the network that was trained to repair
    widens: bool = False  # the map, after the score is taken


LADDER = (
    Step(
        "slides: mean of the L2 map",
        lambda x, x_hat, *_: l2_difference(x, x_hat),
        difference_scores,
    ),
    Step("highest value, smoothed", lambda x, x_hat, *_: smoothed_map("l2", x, x_hat), highest),
    Step("normalised by good images", partial(unusual, "l2"), highest),
    Step("L1 and SSIM together", best_map, highest),
    Step("trained to repair", best_map, highest, repairs=True),
    Step("map widened", best_map, highest, repairs=True, widens=True),
)
TRIED = (  # and not kept
    Step("mean of the final map", best_map, difference_scores, repairs=True, widens=True),
    Step("SSIM alone", partial(unusual, "ssim"), highest, repairs=True, widens=True),
    Step("L1 alone", partial(unusual, "l1"), highest, repairs=True, widens=True),
)


@dataclass(frozen=True)
class Bench:
    """Images to try a detector on, with the truth about them."""

    x: Tensor  # (N, 1, 227, 227)
    labels: np.ndarray  # (N,) 1 for defective
    masks: list[np.ndarray] | None  # N arrays (H, W) bool, of the size the maps are compared at


def painted_bench(images: Images, seed: int = 0, copies: int = 2) -> Bench:
    """Held-out good images, and the same with defects painted on them: no test image is needed.

    The defects are not those that a network learns to repair; otherwise we would only measure
    whether it knows our brush.
    """
    generator = torch.Generator().manual_seed(seed)
    painted = [
        paint(images.held_out, generator) for paint in PAINTED.values() for _ in range(copies)
    ]
    x = torch.cat([images.held_out, *(image for image, _ in painted)])
    masks = torch.cat([torch.zeros(len(images.held_out), *x.shape[2:], dtype=torch.bool),
                       *(mask for _, mask in painted)]).numpy()  # fmt: skip
    seen = masks.any(axis=(1, 2)) | (np.arange(len(masks)) < len(images.held_out))
    labels = (np.arange(len(masks)) >= len(images.held_out)).astype(int)
    return Bench(x[torch.from_numpy(seen)], labels[seen], list(masks[seen]))


def sealed_bench(run: Run, images: Images) -> Bench:
    """The test images; masks at their own size, or None where one is missing."""
    labels = np.array([sample.label for sample in run.test])
    return Bench(images.test, labels, masks_of(run.test))


def climb(
    bench: Bench,
    images: Images,
    plain: ConvAutoencoder | None,
    repairing: ConvAutoencoder,
    steps: Iterable[Step] = LADDER,
) -> list[dict[str, Any]]:
    """AUROC, and at pixel level AUROC and AU-PRO, of each step.

    What is usual at a place is known from the good images that were trained on.

    Args:
        bench: what to try the steps on.
        images: gives the good images.
        plain: the network of the slides' training; None leaves its steps out.
        repairing: the network trained to repair.
        steps: the steps.
    """
    rows, rebuilt = [], {}
    for step in steps:
        model = repairing if step.repairs else plain
        if model is None:
            continue
        if model not in rebuilt:
            rebuilt[model] = rebuild(model, bench.x), rebuild(model, images.known)
        x_hat, good_hat = rebuilt[model]
        maps = step.maps(bench.x, x_hat, images.known, good_hat)
        row = {"step": step.name, "auroc": metrics.auroc(step.score(maps).numpy(), bench.labels)}
        if bench.masks is not None:
            rates = pixel_rates(widened(maps) if step.widens else maps, bench.masks)
            row |= {"pixel_auroc": rates.auroc(), "au_pro": rates.au_pro()}
        rows.append(row)
    return rows
