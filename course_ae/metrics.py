"""Lesson 06: how well a score separates, whatever the threshold and whatever the split."""

import numpy as np
from sklearn.metrics import roc_auc_score

from course_ae.thresholds import confusion, f_normal, search_threshold, split_test


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a defective image scores above a good one.

    1 is a perfect order, 0.5 is tossing a coin. No threshold and no split is needed.
    """
    return float(roc_auc_score(labels, scores))


def f_normal_splits(
    scores: np.ndarray, labels: np.ndarray, fraction: float, repeats: int = 200
) -> np.ndarray:
    """The slides' F over many random splits: each finds its threshold and is tested, (repeats,).

    Same scores, same images: only the luck of the split differs. Split `i` is the one of seed `i`.
    """
    results = []
    for seed in range(repeats):
        validation, test = split_test(labels, fraction, seed)
        threshold = search_threshold(scores[validation], labels[validation])
        results.append(f_normal(confusion(scores[test], labels[test], threshold)))
    return np.array(results)
