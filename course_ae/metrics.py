"""Lesson 06: how well a score separates, how well a map finds the place, and how sure that is.

Image level: AUROC, average precision, and what a threshold makes of the scores, each with a 95 %
bootstrap interval. Pixel level: AUROC and AU-PRO by the protocol of Bergmann, Batzner, Fauser,
Sattlegger and Steger, "The MVTec Anomaly Detection Dataset" (IJCV 2021), section 5.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from scipy import ndimage, special

from course_ae.thresholds import confusion, f1_defect, f_normal, search_threshold, split_test

MAX_FPR = 0.3  # the false-positive rate up to which AU-PRO looks
REPEATS = 1000  # random splits, and bootstrap samples
PARTS = 2  # of the good pixels, sorted at the same time


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a defective image scores above a good one.

    A tie counts half. 1 is a perfect order, 0.5 is tossing a coin. No threshold and no split is
    needed.

    Args:
        scores: higher is more anomalous, (N,).
        labels: 1 for defective, 0 for good, (N,); both must occur.
    """
    above, not_below = _share_above([np.sort(scores[labels == 0])], scores[labels == 1])
    return float(1 - (above + not_below).mean() / 2)


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Precision of the verdict "defective", averaged over the recalls that thresholds reach.

    A coin reaches the share of the defective images, not 0.5. Arguments as `auroc`.
    """
    _, place = np.unique(-scores, return_inverse=True)  # equal scores are called together
    found = np.bincount(place, labels).cumsum()  # defective images called so, by threshold
    precision = found / np.bincount(place).cumsum()
    return float((np.diff(found, prepend=0) * precision).sum() / found[-1])


def splits(
    labels: np.ndarray, fraction: float, repeats: int | None = None
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Many stratified splits of labels (N,): indices of calibration, (C,), and of test, (T,), each.

    Args:
        labels: 1 for defective, 0 for good, (N,).
        fraction: share of the calibration part.
        repeats: how many splits; None is `REPEATS`, looked up now.
    """
    return _splits(tuple(labels.tolist()), fraction, repeats or REPEATS)


@lru_cache(maxsize=4)  # every score of a run is judged on the same splits
def _splits(labels: tuple[int, ...], fraction: float, repeats: int) -> tuple:
    return tuple(split_test(np.array(labels), fraction, seed) for seed in range(repeats))


def f_normal_splits(
    scores: np.ndarray, labels: np.ndarray, fraction: float, repeats: int | None = None
) -> np.ndarray:
    """The slides' F over many random splits: each finds its threshold and is tested, (repeats,).

    Same scores, same images: only the luck of the split differs. Split `i` is the one of seed `i`,
    and `fraction` the share of its calibration part.
    """
    results = []
    for calibration, test in splits(labels, fraction, repeats):
        threshold = search_threshold(scores[calibration], labels[calibration])
        results.append(f_normal(confusion(scores[test], labels[test], threshold)))
    return np.array(results)


def bootstrap(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    scores: np.ndarray,
    labels: np.ndarray,
    repeats: int | None = None,
) -> tuple[float, float]:
    """A 95 % interval for a statistic: where it falls when other images are drawn.

    Good and defective images are drawn anew, each as many as there are, with repetition; the
    interval holds the middle 95 % of the results (Efron, "Bootstrap methods", 1979). It knows
    nothing of other trainings: one network is one network.

    Args:
        statistic: a function of scores and labels, for example `auroc`.
        scores: higher is more anomalous, (N,).
        labels: 1 for defective, 0 for good, (N,).
        repeats: how often images are drawn; None is `REPEATS`, looked up now.
    """
    rng = np.random.default_rng(0)
    groups = [np.flatnonzero(labels == label) for label in (0, 1)]
    results = []
    for _ in range(repeats or REPEATS):
        drawn = np.concatenate([rng.choice(group, len(group)) for group in groups])
        results.append(statistic(scores[drawn], labels[drawn]))
    return tuple(float(bound) for bound in np.quantile(results, [0.025, 0.975]))


def estimate(
    statistic: Callable[[np.ndarray, np.ndarray], float], scores: np.ndarray, labels: np.ndarray
) -> dict[str, float]:
    """A statistic and its 95 % interval, value, low and high; arguments as `bootstrap`."""
    low, high = bootstrap(statistic, scores, labels)
    return {"value": float(statistic(scores, labels)), "low": low, "high": high}


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """The mean of a few independent results, and the ends of its 95 % interval (Student's t).

    Args:
        values: for example the AUROC of several trainings, (N,), N at least 2.
    """
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    reach = special.stdtrit(len(values) - 1, 0.975) * error
    return float(mean), float(mean - reach), float(mean + reach)


def threshold_estimates(
    scores: np.ndarray, labels: np.ndarray, threshold: float
) -> dict[str, dict[str, float]]:
    """What a threshold makes of scores (N,) with labels (N,), each with its interval.

    F on the normal class, F1 on the defects, and balanced accuracy.
    """
    statistics = {
        "f_normal": f_normal,
        "f1_defect": f1_defect,
        "balanced_accuracy": lambda counts: counts.balanced_accuracy,
    }
    return {
        name: estimate(lambda s, y, of=of: of(confusion(s, y, threshold)), scores, labels)
        for name, of in statistics.items()
    }


class PixelRates:
    """What every pixel needs to know for AU-PRO and pixel AUROC: the rates at its own value.

    With a threshold at the value of a defective pixel, the false-positive rate is `low` if the good
    pixels that equal it are left out and `high` if they are let in. So the pixel is found from rate
    `high` on, up to `low` not yet, and in between for a share that grows evenly, since the curve is
    drawn with straight lines. The area below the curve is the mean of these ramps' areas.

    Args:
        maps: difference maps, N arrays (H, W); the sizes may differ from image to image.
        masks: True where the product is defective, same shapes.

    Raises:
        ValueError: if shapes differ, a map is not finite, or there is no defect or no good pixel.
    """

    def __init__(self, maps: Sequence[np.ndarray], masks: Sequence[np.ndarray]):
        if len(maps) != len(masks):
            raise ValueError(f"{len(maps)} maps, but {len(masks)} masks")
        good, found, regions = [], [], []
        for values, mask in zip(maps, masks, strict=True):
            if values.shape != mask.shape:
                raise ValueError(f"a map of shape {values.shape} has a mask of {mask.shape}")
            if not np.isfinite(values).all():
                raise ValueError("a map holds NaN or infinity")
            mask = np.asarray(mask, dtype=bool)
            good.append(values[~mask])
            found.append(values[mask])
            regions.append(ndimage.label(mask, np.ones((3, 3)))[0][mask])  # (P,) from 1 on
        good = np.concatenate(good) if good else np.empty(0)
        if not len(good) or not any(map(len, found)):
            raise ValueError("pixel figures need both good and defective pixels")
        with ThreadPoolExecutor(PARTS) as pool:
            good = list(pool.map(np.sort, np.array_split(good, PARTS)))
        self.regions = regions
        shares = _share_above(good, np.concatenate(found))  # of all images at once: it is faster
        ends = np.cumsum([len(values) for values in found])[:-1]
        low, high = (np.split(share, ends) for share in shares)
        self.rates = list(zip(low, high, strict=True))  # of each image, (P,) each

    def overlap_areas(self, max_fpr: float = MAX_FPR) -> list[np.ndarray]:
        """For each image the AU-PRO of its regions alone, (R,), empty for a good one."""
        return [
            np.bincount(region, ramp_area(*rates, max_fpr) / max_fpr)[1:] / np.bincount(region)[1:]
            for region, rates in zip(self.regions, self.rates, strict=True)
        ]

    def au_pro(self, max_fpr: float = MAX_FPR) -> float:
        """See the function `au_pro`."""
        return float(np.concatenate(self.overlap_areas(max_fpr)).mean())

    def auroc(self) -> float:
        """See the function `pixel_auroc`."""
        low, high = map(np.concatenate, zip(*self.rates, strict=True))
        return float(1 - (low + high).mean() / 2)

    def curves(self, fpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of the defective pixels found, and PRO, at false-positive rates (K,) to draw."""
        high = np.concatenate([high for _, high in self.rates])
        sizes = [np.bincount(region)[region] for region in self.regions]
        weights = 1 / np.concatenate(sizes)  # every region weighs 1
        order = np.argsort(high)
        reached = np.searchsorted(high[order], fpr, "right")
        share = np.concatenate([[0], weights[order].cumsum()])[reached] / weights.sum()
        return reached / len(high), share


def _share_above(good: list[np.ndarray], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the good values that lie above each value, and that do not lie below it.

    The good values may be sorted in several parts.
    """
    count = sum(map(len, good))
    order = np.argsort(values)  # looking up neighbours one after the other is much faster
    shares = np.empty((2, len(values)))
    for row, side in zip(shares, ("right", "left"), strict=True):
        row[order] = 1 - sum(np.searchsorted(part, values[order], side) for part in good) / count
    return shares[0], shares[1]


def ramp_area(low: np.ndarray, high: np.ndarray, limit: float) -> np.ndarray:
    """Integral from 0 to `limit` of ramps (R,) that are 0 up to `low` and 1 from `high` on."""
    end = np.clip(limit, low, high)  # of the slope, as far as the limit lets it
    slope = (end - low) ** 2 / (2 * np.maximum(high - low, np.finfo(float).tiny))
    return np.where(low < limit, slope + np.maximum(limit - high, 0), 0)


def au_pro(
    maps: Sequence[np.ndarray], masks: Sequence[np.ndarray], max_fpr: float = MAX_FPR
) -> float:
    """Area under the curve of per-region overlap (PRO) over the false-positive rate (FPR).

    A region is a connected defect (its pixels touch, if only at a corner). PRO is the share of a
    region that a threshold finds, averaged over all regions, so that small defects count as much
    as large ones. FPR is the share of all anomaly-free pixels, those of good images included, that
    it calls defective. Every distinct value is a threshold, nothing is binned; the area up to
    `max_fpr` is divided by `max_fpr`, so 1 is perfect.

    Args:
        maps: difference maps, (N, H, W) float, or N arrays (H, W) of their own sizes.
        masks: True where the product is defective, same shapes, bool.
        max_fpr: where the curve ends, above 0 and at most 1.

    Raises:
        ValueError: if shapes differ, a map is not finite, `max_fpr` is out of range, or there is
            no defective or no good pixel.
    """
    if not 0 < max_fpr <= 1:
        raise ValueError(f"max_fpr must lie above 0 and at most at 1, not {max_fpr}")
    return PixelRates(maps, masks).au_pro(max_fpr)
