"""Lesson 08: from the slides' detector to a very good one, step by step.

The steps are chosen on good images with painted defects; the test images are opened at the end.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from course_ae import metrics
from course_ae.baselines import LinearAutoencoder, cross_fitted
from course_ae.datasets.painted import PAINTED
from course_ae.experiment.evaluation import masks_of, pixel_rates
from course_ae.experiment.run_folder import Run
from course_ae.experiment.stages import repaired_train
from course_ae.model import ConvAutoencoder, Denoiser
from course_ae.preprocessing import Images
from course_ae.scoring import (
    NORMALISED,
    Reference,
    difference_maps,
    fine_and_wide,
    max_score,
    mean_score,
    normalise,
    reference_statistics,
    smooth,
    together,
)
from course_ae.training import reconstruct, repair


@dataclass
class Drawn:
    """Images to inspect, what a network makes of them, and what it makes of good ones."""

    x: Tensor  # (N, 1, H, W)
    x_hat: Tensor  # (N, 1, H, W)
    stained: Tensor | None  # (N, H, W), how likely a denoiser thinks each pixel spoiled
    reference: Callable[[str], Reference]  # of a difference's name, from good images
    known: dict[str, Tensor] = field(default_factory=dict)  # from `unusual`; steps share them

    def unusual(self, name: str) -> Tensor:
        """How unusual a difference is, measured by the good images, (N, H, W)."""
        if name not in self.known:
            maps = difference_maps(self.x, self.x_hat, name)
            self.known[name] = normalise(maps, self.reference(name))
        return self.known[name]


def reference_of(good: Tensor, good_hat: Tensor) -> Callable[[str], Reference]:
    """The statistics of a difference over good images (M, 1, H, W), each worked out only once."""
    return cache(lambda name: reference_statistics(good, good_hat, [name])[name])


class Step(NamedTuple):
    """One step of lesson 08: a map and how it is scored."""

    name: str
    differences: tuple[str, ...] = NORMALISED  # none for the marked stains alone
    normalised: bool = True  # by good images
    smoothed: bool = True
    score: Callable[[Tensor], Tensor] = max_score  # maps (N, H, W) to scores (N,)
    looks: int = 0  # of the network that was trained to take stains away; 0 is the plain one
    marked: bool = False  # with the stains that this network marks
    wide: bool = False  # the score's map is smoothed, that of the pixels fine and wide

    def maps(self, drawn: Drawn) -> tuple[Tensor, Tensor]:
        """The maps (N, H, W) of the images to inspect: for the score, and for the pixels."""
        if not self.differences:
            maps = drawn.stained
        elif self.normalised:
            stained = drawn.stained if self.marked else None
            maps = together(map(drawn.unusual, self.differences), stained)
        else:
            maps = difference_maps(drawn.x, drawn.x_hat, *self.differences)
        judged = smooth(maps) if self.smoothed else maps
        return judged, fine_and_wide(maps) if self.wide else judged


STEPS = (
    Step("slides: mean of the L2 map", ("l2",), False, False, mean_score),
    Step("normalised by good images", ("l2",), score=mean_score),
    Step("maximum of L1 and SSIM together", ("l1", "ssim")),
    Step("both at three scales"),
    Step("network that repairs, with skips and PCA", looks=1),
    Step("and the stains it marks", looks=1, marked=True),
    Step("a second look", looks=2, marked=True),
    Step("pixels by a fine and a wide map", looks=2, marked=True, wide=True),
)
TRIED = (  # and not kept
    Step(
        "mean of the map instead of its maximum", score=mean_score, looks=2, marked=True, wide=True
    ),
    Step("marked stains alone", (), looks=2, marked=True, wide=True),
    Step("SSIM alone", ("ssim_scales",), looks=2, marked=True, wide=True),
    Step("L1 alone", ("l1_scales",), looks=2, marked=True, wide=True),
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
    denoiser: Denoiser,
    steps: Iterable[Step] = STEPS,
    keep: dict[str, np.ndarray] | None = None,
) -> list[dict[str, Any]]:
    """AUROC, and at pixel level AUROC and AU-PRO, of each step.

    The reference statistics are those of the good images that were trained on.

    Args:
        bench: what to try the steps on.
        images: gives the good images.
        plain: the network of the slides' training; None leaves its steps out.
        denoiser: the network trained to take stains away.
        steps: the steps.
        keep: gets the scores (N,) of the images by each step's name, for `lead`.
    """
    rows, x, train = [], bench.x, images.train
    once = torch.cat([x, denoiser.linear(x)], dim=1)  # (N, 2, 227, 227), no second look
    reference = reference_of(train, repaired_train(denoiser, images))
    drawn = {looks: Drawn(x, *repair(denoiser, shown), reference)
             for looks, shown in ((1, once), (2, x))}  # fmt: skip
    if plain is not None:
        reference = reference_of(train, reconstruct(plain, train))
        drawn[0] = Drawn(x, reconstruct(plain, x), None, reference)
    for step in steps:
        if step.looks not in drawn:
            continue
        judged, maps = step.maps(drawn[step.looks])
        scores = step.score(judged).double().numpy()
        if keep is not None:
            keep[step.name] = scores
        row = {"step": step.name, "auroc": metrics.auroc(scores, bench.labels)}
        if bench.masks is not None:
            rates = pixel_rates(maps, bench.masks)
            row |= {"pixel_auroc": rates.auroc(), "au_pro": rates.au_pro()}
        rows.append(row)
    return rows


def from_memory(bench: Bench, images: Images, rebuild: LinearAutoencoder) -> np.ndarray:
    """The scores (N,) of a bench by the map at three scales, with PCA in the network's place.

    Nothing but a denoiser marks stains, so this map lacks them.
    """
    reference = reference_of(images.train, cross_fitted(images.train, rebuild.size))
    drawn = Drawn(bench.x, rebuild(bench.x), None, reference)
    step = Step("from memory")
    judged, _ = step.maps(drawn)
    return step.score(judged).double().numpy()


def lead(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """AUROC of the first scores minus that of the second, (N,) each, of the same images.

    With the 95 % interval of the difference, value, low and high (lesson 07): each draw of images
    is judged by both.
    """
    return metrics.estimate(
        lambda pair, y: metrics.auroc(pair[:, 0], y) - metrics.auroc(pair[:, 1], y),
        np.stack([first, second], axis=1),
        labels,
    )
