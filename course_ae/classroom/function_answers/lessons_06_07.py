"""The functions that students write in lessons 06 and 07."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from course_ae import metrics
from course_ae.classroom.function_answers.base import FunctionAnswer


def share_in_order(scores: np.ndarray, labels: np.ndarray, tie: float = 0.5) -> float:
    """AUROC of scores (N,) with labels (N,), in which a pair of equal scores counts `tie`."""
    good, defective = scores[labels == 0], scores[labels == 1][:, None]
    return float(np.mean((defective > good) + tie * (defective == good)))


def t_interval(
    values: np.ndarray, spare: int = 1, root: float = 0.5, normal: bool = False
) -> tuple[float, float]:
    """Ends of a 95 % interval of the mean of values (N,); the defaults are Student's."""
    n = len(values)
    quantile = stats.norm.ppf(0.975) if normal else stats.t.ppf(0.975, n - 1)
    reach = quantile * values.std(ddof=spare) / n**root
    return values.mean() - reach, values.mean() + reach


def found_alone(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, line: Callable = np.max
) -> int:
    """Defective images above the line of the good ones by the first of two scores (N,) alone.

    The line is the highest of the good ones, or what `line` makes of them; labels are (N,).
    """
    by_first, by_second = (values > line(values[labels == 0]) for values in (first, second))
    return int((by_first & ~by_second & (labels == 1)).sum())


def found(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> int:
    """Defective images above all good ones by the first score (N,), whatever the second says."""
    return int((first[labels == 1] > first[labels == 0].max()).sum())


def lead_interval(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, draws: list[np.ndarray]
) -> np.ndarray:
    """Ends of the 95 % interval, (2,), of the first AUROC minus the second.

    Two scores (N,) and labels (N,), and indices (N,) of the images of each draw.
    """
    leads = [
        metrics.auroc(first[drawn], labels[drawn]) - metrics.auroc(second[drawn], labels[drawn])
        for drawn in draws
    ]
    return np.quantile(leads, [0.025, 0.975])


def ends_subtracted(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, draws: list[np.ndarray]
) -> np.ndarray:
    """The mistake of subtracting the ends of two intervals, (2,); the arrays are (N,)."""
    ends = [
        np.quantile([metrics.auroc(values[d], labels[d]) for d in draws], [0.025, 0.975])
        for values in (first, second)
    ]
    return ends[0] - ends[1]


def labels_not_drawn(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, draws: list[np.ndarray]
) -> np.ndarray:
    """The mistake of drawing scores without their labels, (2,); the arrays are (N,)."""
    leads = [metrics.auroc(first[d], labels) - metrics.auroc(second[d], labels) for d in draws]
    return np.quantile(leads, [0.025, 0.975])


def two_scores(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two scores (30,) of 12 good and 18 defective images, and their labels (30,), in no order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [12, 18]))
    middle = rng.normal(size=30)
    return rng.normal(labels * 1.5 + middle), rng.normal(labels * 1.1 + middle), labels


def with_draws(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Two scores (30,), their labels (30,), and draws (30,) of good and of defective images."""
    first, second, labels = two_scores(seed)
    rng, groups = np.random.default_rng(seed), [np.flatnonzero(labels == y) for y in (0, 1)]
    draws = [np.concatenate([rng.choice(g, len(g)) for g in groups]) for _ in range(40)]
    return first, second, labels, [rng.permutation(drawn) for drawn in draws]


def seeds_needed(mean: float, deviation: float, spare: int = 1, normal: bool = False) -> int:
    """The fewest results whose 95 % interval leaves 0 out, with this mean and deviation."""
    for n in range(2, 100_000):
        quantile = stats.norm.ppf(0.975) if normal else stats.t.ppf(0.975, n - spare)
        if quantile * deviation / np.sqrt(n) < mean:
            return n
    raise ValueError("not within reach")


FUNCTIONS: dict[str, FunctionAnswer] = {
    "6.1": FunctionAnswer(
        share_in_order,
        (
            lambda s, y: share_in_order(s, y, tie=0),
            lambda s, y: share_in_order(s, y, tie=1),
            lambda s, y: share_in_order(-s, y),
        ),
        lambda: [
            (np.array([1.0, 2, 2, 3, 2, 4, 5]), np.array([0, 0, 0, 1, 1, 1, 1])),
            (np.array([3.0, 1, 2, 2]), np.array([1, 0, 1, 0])),
        ],
    ),
    "6.2": FunctionAnswer(
        t_interval,
        (
            lambda values: t_interval(values, spare=0),
            lambda values: t_interval(values, root=0),
            lambda values: t_interval(values, normal=True),
        ),
        lambda: [(np.array([0.02, 0.03, 0.07]),), (np.array([0.91, 0.85, 0.88, 0.9, 0.93]),)],
    ),
    "7.1": FunctionAnswer(
        found_alone,
        (
            lambda a, b, y: found_alone(a, b, y, line=np.mean),
            found,
            lambda a, b, y: found_alone(b, a, y),
        ),
        lambda: [two_scores(seed) for seed in range(4)],
    ),
    "7.2": FunctionAnswer(
        lead_interval,
        (ends_subtracted, labels_not_drawn, lambda a, b, y, d: lead_interval(b, a, y, d)),
        lambda: [with_draws(seed) for seed in range(2)],
    ),
    "7.3": FunctionAnswer(
        seeds_needed,
        (
            lambda mean, deviation: seeds_needed(mean, deviation, normal=True),
            lambda mean, deviation: seeds_needed(mean, deviation, spare=0),
        ),
        lambda: [(0.02, 0.02), (0.06, 0.02), (0.01, 0.03)],
    ),
}
