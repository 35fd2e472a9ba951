"""Lessons 05 and 07: from an image and its reconstruction to a difference map and a score."""

import torch
from torch import Tensor

from course_ae.ssim import local_mean, ssim_map

SMOOTHING = 3.0  # pixels, the standard deviation of the window over a map in lesson 07
WIDENING = 5.2  # pixels, that of a second window, after the score is taken; 6 both together
FLOOR = 0.3  # how much of the mean deviation of all pixels is added to that of each


def l2_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """Squared difference of each pixel: (B, 1, H, W) twice to (B, H, W)."""
    return ((x - x_hat) ** 2).squeeze(1)


def ssim_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """1 - SSIM around each pixel, 0 (equal) to 2: (B, 1, H, W) twice to (B, H, W)."""
    return 1 - ssim_map(x, x_hat)


def l1_difference(x: Tensor, x_hat: Tensor) -> Tensor:
    """Absolute difference of each pixel: (B, 1, H, W) twice to (B, H, W)."""
    return (x - x_hat).abs().squeeze(1)


DIFFERENCES = {"l2": l2_difference, "ssim": ssim_difference}


def difference_maps(x: Tensor, x_hat: Tensor, kind: str, batch_size: int = 32) -> Tensor:
    """Difference maps (N, H, W) of any number of images, `kind` being 'l2', 'ssim' or 'l1'."""
    parts = zip(x.split(batch_size), x_hat.split(batch_size), strict=True)
    difference = {**DIFFERENCES, "l1": l1_difference}[kind]
    return torch.cat([difference(a, b) for a, b in parts])


def difference_scores(maps: Tensor) -> Tensor:
    """The slides' difference score: the mean of each map, (N, H, W) to (N,)."""
    return maps.mean(dim=(1, 2))


def highest(maps: Tensor) -> Tensor:
    """The official image score: the largest value of each map, (N, H, W) to (N,)."""
    return maps.amax(dim=(1, 2))


def normalise(maps: Tensor, good: Tensor) -> Tensor:
    """How unusual a difference is at its place: (N, H, W), about 0 where it is as ever.

    Edges and reflections are never rebuilt well. So each pixel is measured by its own mean and
    standard deviation over good images. Some of the mean deviation of all pixels is added to each:
    places that hardly ever change must not raise an alarm for nothing.

    Args:
        maps: difference maps of the images to inspect, (N, H, W).
        good: difference maps of good images, (M, H, W).
    """
    deviation = good.std(dim=0, correction=0)  # (H, W)
    return (maps - good.mean(dim=0)) / (deviation + FLOOR * deviation.mean()).clamp(min=1e-12)


def smoothed_map(kind: str, x: Tensor, x_hat: Tensor) -> Tensor:
    """A difference map (N, H, W) smoothed by a Gaussian window: defects are larger than a pixel."""
    return local_mean(difference_maps(x, x_hat, kind), SMOOTHING)


def unusual(kind: str, x: Tensor, x_hat: Tensor, good: Tensor, good_hat: Tensor) -> Tensor:
    """A difference map, normalised with those of good images and then smoothed, (N, H, W).

    Args:
        kind: 'l1', 'l2' or 'ssim'.
        x: images to inspect, (N, 1, H, W).
        x_hat: their reconstructions, same shape.
        good: good images, (M, 1, H, W), to know what is usual.
        good_hat: their reconstructions, same shape.
    """
    maps, usual = difference_maps(x, x_hat, kind), difference_maps(good, good_hat, kind)
    return local_mean(normalise(maps, usual), SMOOTHING)


def widened(maps: Tensor) -> Tensor:
    """Maps (N, H, W) smoothed once more, so that they cover the quiet inside of a defect too.

    For the pixels only: the score is taken before, from the strongest spot.
    """
    return local_mean(maps, WIDENING)


def best_map(x: Tensor, x_hat: Tensor, good: Tensor, good_hat: Tensor) -> Tensor:
    """The map of lesson 07, (N, H, W): what is unusual in L1 plus what is in SSIM."""
    pairs = x, x_hat, good, good_hat
    return unusual("l1", *pairs) + unusual("ssim", *pairs)


def usual_maps(good: Tensor, good_hat: Tensor) -> dict[str, Tensor]:
    """What `best_map` needs to know of good images, in two maps a kind, (2, H, W).

    Mean less deviation and mean plus deviation: two maps with the mean and the deviation of all.

    Args:
        good: good images, (M, 1, H, W).
        good_hat: their reconstructions, same shape.
    """
    maps = {kind: difference_maps(good, good_hat, kind) for kind in ("l1", "ssim")}
    return {
        kind: torch.stack([m.mean(0) - m.std(0, correction=0), m.mean(0) + m.std(0, correction=0)])
        for kind, m in maps.items()
    }


def best_map_from(x: Tensor, x_hat: Tensor, usual: dict[str, Tensor]) -> Tensor:
    """The map of `best_map`, (N, H, W), for new images when the good ones are no longer there.

    Args:
        x: images to inspect, (N, 1, H, W).
        x_hat: their reconstructions, same shape.
        usual: from `usual_maps`.
    """
    found = (
        local_mean(normalise(difference_maps(x, x_hat, kind), maps), SMOOTHING)
        for kind, maps in usual.items()
    )
    return sum(found)
