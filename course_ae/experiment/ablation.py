"""Lesson 07: from the slides' detector to a very good one, step by step.

The steps are chosen on good images with painted defects; the test images are opened at the end.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_ae import metrics
from course_ae.datasets.painted import PAINTED
from course_ae.experiment.evaluation import masks_of, pixel_rates
from course_ae.experiment.run_folder import Run
from course_ae.model import ConvAutoencoder
from course_ae.preprocessing import Images
from course_ae.scoring import (
    MAP_SIGMA,
    NORMALISED,
    difference_maps,
    max_score,
    mean_score,
    normalised_map,
    reference_statistics,
    smooth,
)
from course_ae.training import reconstruct


class Step(NamedTuple):
    """One step of lesson 07: a map and how it is scored."""

    name: str
    differences: tuple[str, ...] = NORMALISED
    normalised: bool = True  # by good images, and smoothed
    smoothed: bool = True
    score: Callable[[Tensor], Tensor] = max_score  # maps (N, H, W) to scores (N,)
    denoises: bool = False  # with the network that was trained to take stains away
    wide: bool = False  # the map is smoothed once more, after the score is taken

    def maps(self, x: Tensor, x_hat: Tensor, good: Tensor, good_hat: Tensor) -> Tensor:
        """The maps (N, H, W) of images (N, 1, H, W), with good ones (M, 1, H, W) to compare."""
        if self.normalised:
            reference = reference_statistics(good, good_hat, self.differences)
            return normalised_map(x, x_hat, reference)
        maps = difference_maps(x, x_hat, *self.differences)
        return smooth(maps) if self.smoothed else maps


STEPS = (
    Step("slides: mean of the L2 map", ("l2",), False, False, mean_score),
    Step("max score, smoothed", ("l2",), False),
    Step("normalised by good images", ("l2",)),
    Step("L1 and SSIM together"),
    Step("trained to denoise", denoises=True),
    Step("map smoothed once more", denoises=True, wide=True),
)
TRIED = (  # and not kept
    Step("mean of the final map", score=mean_score, denoises=True, wide=True),
    Step("SSIM alone", ("ssim",), denoises=True, wide=True),
    Step("L1 alone", ("l1",), denoises=True, wide=True),
)


@dataclass(frozen=True)
class Bench:
    """Images to try a detector on, with the truth about them."""

    x: Tensor  # (N, 1, 227, 227)
    labels: np.ndarray  # (N,) 1 for defective
    masks: list[np.ndarray] | None  # N arrays (H, W) bool, of the size the maps are compared at


def painted_bench(images: Images, seed: int = 0, copies: int = 2) -> Bench:
    """Good val images, and the same with defects painted on them: no test image is needed.

    The defects are not those that a denoiser learns to take away; otherwise we would only measure
    whether it knows our brush.
    """
    generator = torch.Generator().manual_seed(seed)
    good = images.val
    painted = [paint(good, generator) for paint in PAINTED.values() for _ in range(copies)]
    x = torch.cat([good, *(image for image, _ in painted)])
    clean = torch.zeros(len(good), *x.shape[2:], dtype=torch.bool)
    masks = torch.cat([clean, *(mask for _, mask in painted)]).numpy()
    seen = masks.any(axis=(1, 2)) | (np.arange(len(masks)) < len(good))
    labels = (np.arange(len(masks)) >= len(good)).astype(int)
    return Bench(x[torch.from_numpy(seen)], labels[seen], list(masks[seen]))


def sealed_bench(run: Run, images: Images) -> Bench:
    """The test images; masks at their own size, or None where one is missing."""
    labels = np.array([sample.label for sample in run.test])
    return Bench(images.test, labels, masks_of(run.test))


def ablate(
    bench: Bench,
    images: Images,
    plain: ConvAutoencoder | None,
    denoiser: ConvAutoencoder,
    steps: Iterable[Step] = STEPS,
) -> list[dict[str, Any]]:
    """AUROC, and at pixel level AUROC and AU-PRO, of each step.

    The reference statistics are those of the good images that were trained on.

    Args:
        bench: what to try the steps on.
        images: gives the good images.
        plain: the network of the slides' training; None leaves its steps out.
        denoiser: the network trained to denoise.
        steps: the steps.
    """
    rows, rebuilt = [], {}
    for step in steps:
        model = denoiser if step.denoises else plain
        if model is None:
            continue
        if model not in rebuilt:
            rebuilt[model] = reconstruct(model, bench.x), reconstruct(model, images.train)
        x_hat, good_hat = rebuilt[model]
        maps = step.maps(bench.x, x_hat, images.train, good_hat)
        row = {"step": step.name, "auroc": metrics.auroc(step.score(maps).numpy(), bench.labels)}
        if bench.masks is not None:
            rates = pixel_rates(smooth(maps, MAP_SIGMA) if step.wide else maps, bench.masks)
            row |= {"pixel_auroc": rates.auroc(), "au_pro": rates.au_pro()}
        rows.append(row)
    return rows
