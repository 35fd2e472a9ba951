"""AUROC by hand, and the spread of F over many splits."""

import numpy as np
import pytest

from course_ae.metrics import auroc, f_normal_splits
from course_ae.thresholds import confusion, f_normal, search_threshold, split_test

LABELS = np.repeat([0, 1], [10, 20])


@pytest.fixture(scope="module")
def overlapping() -> np.ndarray:
    """Scores of 10 good and 20 defective images that a threshold cannot separate."""
    return np.random.default_rng(0).normal(size=30) + LABELS


@pytest.mark.parametrize(
    ("scores", "labels", "expected"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 1.0),
        ([4, 3, 2, 1], [0, 0, 1, 1], 0.0),
        ([1, 3, 2, 4], [0, 0, 1, 1], 0.75),  # three of the four pairs are in order
        ([1, 1, 1, 1], [0, 1, 0, 1], 0.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 0.875),  # a tie counts half
    ],
)
def test_auroc_by_hand(scores, labels, expected):
    found = auroc(np.array(scores, dtype=float), np.array(labels))
    assert found == pytest.approx(expected)
    assert type(found) is float  # so that it can be written as JSON


def test_auroc_is_the_share_of_pairs_in_order(overlapping):
    good, defective = overlapping[LABELS == 0], overlapping[LABELS == 1]
    pairs = np.mean([d > g for d in defective for g in good])
    assert 0.5 < pairs < 1
    assert auroc(overlapping, LABELS) == pytest.approx(pairs)


@pytest.mark.parametrize("transform", [np.exp, np.arctan, lambda s: 5 * s - 3, lambda s: s**3])
def test_auroc_does_not_change_under_rising_transforms(overlapping, transform):
    expected = auroc(overlapping, LABELS)
    assert auroc(transform(overlapping), LABELS) == pytest.approx(expected)
    assert auroc(-transform(overlapping), LABELS) == pytest.approx(1 - expected)


def test_splits_give_one_f_a_repeat_within_zero_and_one(overlapping):
    found = f_normal_splits(overlapping, LABELS, 0.3, repeats=25)
    assert found.shape == (25,)
    assert (found >= 0).all() and (found <= 1).all()
    assert found.std() > 0.01  # the luck of the split shows


def test_split_i_is_the_slides_protocol_with_seed_i(overlapping):
    found = f_normal_splits(overlapping, LABELS, 0.3, repeats=4)
    validation, test = split_test(LABELS, 0.3, 3)
    threshold = search_threshold(overlapping[validation], LABELS[validation])
    expected = f_normal(confusion(overlapping[test], LABELS[test], threshold))
    assert found[3] == expected


def test_scores_far_apart_give_one_in_every_split():
    scores = np.random.default_rng(1).uniform(0, 1, 30) + 10 * LABELS
    assert (f_normal_splits(scores, LABELS, 0.3, repeats=30) == 1).all()


def test_same_scores_give_the_same_spread(overlapping):
    first = f_normal_splits(overlapping, LABELS, 0.4, repeats=10)
    assert np.array_equal(f_normal_splits(overlapping, LABELS, 0.4, repeats=10), first)
