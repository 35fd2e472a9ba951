"""Lesson 05: from scores to verdicts. A score above the threshold means defective."""

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import train_test_split

from course_ae.support.errors import CourseError


class Confusion(NamedTuple):
    """Counts of verdicts; positive means defective."""

    tn: int  # good, called good
    fp: int  # good, called defective: a false alarm
    fn: int  # defective, called good: a missed defect
    tp: int  # defective, called defective

    @property
    def errors(self) -> int:
        """False positives + false negatives, which the threshold search minimises."""
        return self.fp + self.fn

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the shares of good and of defective images that are judged rightly."""
        return (self.tn / (self.tn + self.fp) + self.tp / (self.tp + self.fn)) / 2


def split_test(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the calibration part (`fraction`) and of the test part, both sorted.

    Stratified: both parts have the same share of defective images, up to rounding.

    Args:
        labels: 1 for defective, 0 for good, shape (N,).
        fraction: share of the calibration part; the slides' is 0.3.
        seed: same seed, same split.

    Raises:
        CourseError: if a part would hold no good or no defective image.
    """
    try:
        calibration, test = train_test_split(
            np.arange(len(labels)),
            train_size=round(fraction * len(labels)),
            stratify=labels,
            random_state=seed,
        )
        if any(len(np.unique(labels[part])) < 2 for part in (calibration, test)):
            raise ValueError
    except ValueError as error:
        raise CourseError(
            f"{len(labels)} test images cannot be split {fraction:.0%} to {1 - fraction:.0%} with "
            "good and defective ones in both parts; add images or change 'calibration_fraction'."
        ) from error
    return np.sort(calibration), np.sort(test)


def require_numbers(scores: np.ndarray) -> np.ndarray:
    """Scores (N,) as float64.

    Raises:
        CourseError: if there are none, or one is NaN or infinite.
    """
    scores = np.asarray(scores, dtype=np.float64)  # never rounded to float32
    wrong = np.count_nonzero(~np.isfinite(scores))
    if wrong or not len(scores):
        raise CourseError(
            f"{wrong} of {len(scores)} scores are no numbers, and without numbers there is no "
            "threshold; train the network again with a lower 'learning_rate'."
        )
    return scores


def candidate_thresholds(scores: np.ndarray) -> np.ndarray:
    """One threshold for each way to divide scores (N,), ascending, (C,).

    The first calls everything defective, the last everything good; the others lie half-way
    between two neighbouring scores.

    Raises:
        CourseError: if there are no scores, or one is not a number.
    """
    values = np.unique(require_numbers(scores))
    halves = values[:-1] + np.diff(values) / 2
    halves = np.minimum(halves, np.nextafter(values[1:], -np.inf))  # rounding must not cross over
    return np.concatenate([[np.nextafter(values[0], -np.inf)], halves, [values[-1]]])


def confusion(scores: np.ndarray, labels: np.ndarray, threshold: float) -> Confusion:
    """Verdicts of a threshold on scores (N,) with labels (N,)."""
    verdicts = np.asarray(scores, dtype=np.float64) > threshold  # never rounded to float32
    truth = np.asarray(labels) == 1
    tp, fp = int((verdicts & truth).sum()), int((verdicts & ~truth).sum())
    return Confusion(int((~truth).sum()) - fp, fp, int(truth.sum()) - tp, tp)


def search_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the fewest false positives + false negatives; arguments as `count_errors`.

    Of several equally good ones the lowest is taken: it misses the fewest defects, and a missed
    defect reaches a customer while a false alarm costs a second look.
    """
    candidates, fp, fn = count_errors(scores, labels)
    return float(candidates[np.argmin(fp + fn)])  # argmin takes the first, so the lowest


def count_errors(
    scores: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All candidate thresholds with the false positives and false negatives of each, (C,) each.

    Args:
        scores: higher is more anomalous, (N,).
        labels: 1 for defective, 0 for good, (N,).
    """
    candidates = candidate_thresholds(scores)
    scores = np.asarray(scores, dtype=np.float64)  # never rounded to float32
    good, defective = (np.sort(scores[np.asarray(labels) == label]) for label in (0, 1))
    fp = len(good) - np.searchsorted(good, candidates, "right")
    fn = np.searchsorted(defective, candidates, "right")
    return candidates, fp, fn


def youden_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the greatest sum of both classes' shares judged rightly, the lowest such.

    Youden, "Index for rating diagnostic tests" (Cancer, 1950). Unlike the fewest errors it does
    not depend on how many good and how many defective images happen to be there.
    """
    candidates, fp, fn = count_errors(scores, labels)
    labels = np.asarray(labels)
    wrong = fp / (labels == 0).sum() + fn / (labels == 1).sum()
    return float(candidates[np.argmin(wrong)])


def threshold_from_good(scores: np.ndarray, quantile: float = 0.95) -> float:
    """The threshold below which this share of good images lies: no defective image is needed.

    The false alarms are chosen beforehand, 5 % here; what is missed shows itself later. The images
    must not have been trained on, or their scores are too low.

    Args:
        scores: scores of good images that were held out, (N,).
        quantile: share of the good images to call good, between 0 and 1.

    Raises:
        CourseError: if there are no scores, or one is not a number.
    """
    return float(np.quantile(require_numbers(scores), quantile))


def oracle_threshold(scores: np.ndarray, labels: np.ndarray) -> float:
    """The threshold with the highest F on the very images that are judged: cheating, as a limit.

    Nobody has it in practice, since it needs to know the truth about the images to inspect.
    Arguments as `count_errors`.
    """
    candidates, fp, fn = count_errors(scores, labels)
    tn = (np.asarray(labels) == 0).sum() - fp
    return float(candidates[np.argmax(2 * tn / (2 * tn + fp + fn))])


def f_normal(c: Confusion) -> float:
    """The slides' F-score, in which the good products are the class that counts.

    With their P = TN/(TN+FP) and R = TN/(TN+FN), 2PR/(P+R) is 2TN/(2TN+FP+FN); 0 without a TN.
    """
    return 2 * c.tn / (2 * c.tn + c.fp + c.fn) if c.tn else 0.0


def precision_normal(c: Confusion) -> float:
    """Of the products called good, the share that is good: TN/(TN+FN); 0 without a TN."""
    return c.tn / (c.tn + c.fn) if c.tn else 0.0


def recall_normal(c: Confusion) -> float:
    """Of the good products, the share that is called good: TN/(TN+FP); 0 without a TN."""
    return c.tn / (c.tn + c.fp) if c.tn else 0.0


def f1_defect(c: Confusion) -> float:
    """The usual F1, in which the defects count: 2TP/(2TP+FP+FN); 0 without a TP."""
    return 2 * c.tp / (2 * c.tp + c.fp + c.fn) if c.tp else 0.0
