"""The threshold search against brute force, the confusion counts and F-scores by hand."""

import numpy as np
import pytest

from course_ae.support.errors import CourseError
from course_ae.thresholds import (
    Confusion,
    candidate_thresholds,
    confusion,
    f1_defect,
    f_normal,
    oracle_threshold,
    search_threshold,
    split_test,
    threshold_from_good,
    youden_threshold,
)

BOTTLE = np.array([0] * 20 + [1] * 63)  # the test images of the class bottle


def count_errors(scores, labels, threshold):
    """Plain Python, one image after the other."""
    pairs = zip(scores.tolist(), labels.tolist(), strict=True)
    return sum((score > threshold) != (label == 1) for score, label in pairs)


def random_case(seed):
    """Scores with and without ties, with and without a connection to the labels."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 30))
    labels = rng.integers(0, 2, count)
    scores = rng.normal(labels * rng.choice([-1, 0, 2]), 1)
    if seed % 2:
        scores = np.round(scores)  # many ties
    return scores, labels


@pytest.mark.parametrize("seed", range(40))
def test_search_finds_what_brute_force_finds(seed):
    scores, labels = random_case(seed)
    # Each score as a threshold, and one below all: every way to divide them.
    every = [-np.inf, *sorted(set(scores.tolist()))]
    errors = [count_errors(scores, labels, threshold) for threshold in every]
    lowest_best = every[errors.index(min(errors))]
    found = search_threshold(scores, labels)
    assert count_errors(scores, labels, found) == min(errors)
    assert ((scores > found) == (scores > lowest_best)).all()


@pytest.mark.parametrize("seed", range(40))
def test_no_real_threshold_makes_fewer_errors(seed):
    scores, labels = random_case(seed)
    found = confusion(scores, labels, search_threshold(scores, labels)).errors
    grid = np.linspace(scores.min() - 1, scores.max() + 1, 2001)
    assert found <= min(count_errors(scores, labels, threshold) for threshold in grid[::10])
    verdicts = scores[None, :] > grid[:, None]
    assert found <= (verdicts != (labels == 1)).sum(axis=1).min()


def test_threshold_lies_half_way_between_the_groups():
    found = search_threshold(np.array([0.1, 0.2, 0.6, 0.9]), np.array([0, 0, 1, 1]))
    assert found == pytest.approx(0.4)
    assert type(found) is float


def test_of_equally_good_thresholds_the_lowest_is_taken():
    scores, labels = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 1])
    # One error at 1.5 (a false alarm) and one at 3.5 (a missed defect).
    assert count_errors(scores, labels, 1.5) == count_errors(scores, labels, 3.5) == 1
    found = search_threshold(scores, labels)
    assert found == 1.5
    assert confusion(scores, labels, found) == Confusion(tn=1, fp=1, fn=0, tp=2)


@pytest.mark.parametrize(
    ("label", "expected"),
    [(0, Confusion(tn=3, fp=0, fn=0, tp=0)), (1, Confusion(tn=0, fp=0, fn=0, tp=3))],
)
def test_images_of_one_kind_only_are_all_called_right(label, expected):
    scores, labels = np.array([0.3, 0.1, 0.2]), np.full(3, label)
    assert confusion(scores, labels, search_threshold(scores, labels)) == expected


def test_equal_scores_are_called_what_most_of_them_are():
    for labels, errors in (([0, 0, 1], 1), ([0, 1, 1], 1), ([0, 1], 1)):
        scores, labels = np.full(len(labels), 0.7), np.array(labels)
        assert confusion(scores, labels, search_threshold(scores, labels)).errors == errors


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, 1e20, -0.3])
def test_neighbouring_floats_are_told_apart(kind, value):
    low = kind(value)
    high = np.nextafter(low, kind(np.inf))
    scores, labels = np.array([low, high], dtype=kind), np.array([0, 1])
    found = search_threshold(scores, labels)
    assert confusion(scores, labels, found) == Confusion(tn=1, fp=0, fn=0, tp=1)


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_threshold_that_calls_all_defective_does_so_in_single_precision_too(kind):
    scores, labels = np.array([0.1, 0.2, 0.3], dtype=kind), np.array([1, 1, 1])
    found = search_threshold(scores, labels)
    assert confusion(scores, labels, found).tp == 3


@pytest.mark.parametrize("seed", range(10))
def test_candidates_divide_the_scores_in_every_possible_way(seed):
    scores, _ = random_case(seed)
    candidates = candidate_thresholds(scores)
    assert (np.diff(candidates) > 0).all()
    levels = np.sort(np.unique(scores))
    found = [int((levels > threshold).sum()) for threshold in candidates]
    assert found == list(range(len(levels), -1, -1))  # all, all but one, ..., none


def test_confusion_by_hand():
    scores = np.array([0.1, 0.5, 0.6, 0.9, 0.5, 0.2, 0.7])
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    # Only a score ABOVE the threshold means defective, so both 0.5 are called good.
    found = confusion(scores, labels, 0.5)
    assert found == Confusion(tn=2, fp=2, fn=2, tp=1)
    assert found.errors == 4
    assert all(type(count) is int for count in found)  # JSON has no NumPy numbers


@pytest.mark.parametrize("counts", [(14, 3, 5, 39), (1, 13, 0, 44), (14, 0, 44, 0), (9, 5, 2, 42)])
def test_f_normal_is_the_slides_formula(counts):
    tn, fp, fn, _ = counts
    precision, recall = tn / (tn + fp), tn / (tn + fn)  # named as on the slides
    expected = 2 * precision * recall / (precision + recall)
    assert f_normal(Confusion(*counts)) == pytest.approx(expected)


def test_calling_everything_normal_scores_what_the_facts_say():
    assert f_normal(Confusion(tn=14, fp=0, fn=44, tp=0)) == pytest.approx(0.389, abs=5e-4)
    assert f1_defect(Confusion(tn=14, fp=0, fn=44, tp=0)) == 0


def test_f1_is_the_same_formula_with_the_classes_exchanged():
    c = Confusion(tn=9, fp=5, fn=2, tp=42)
    precision, recall = 42 / (42 + 5), 42 / (42 + 2)
    assert f1_defect(c) == pytest.approx(2 * precision * recall / (precision + recall))
    exchanged = Confusion(tn=c.tp, fp=c.fn, fn=c.fp, tp=c.tn)
    assert f1_defect(c) == pytest.approx(f_normal(exchanged))


def test_f_scores_at_their_ends():
    assert f_normal(Confusion(tn=5, fp=0, fn=0, tp=7)) == 1
    assert f1_defect(Confusion(tn=5, fp=0, fn=0, tp=7)) == 1
    assert f_normal(Confusion(tn=0, fp=5, fn=7, tp=0)) == 0
    assert f1_defect(Confusion(tn=0, fp=5, fn=0, tp=0)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_split_is_complete_disjoint_and_sorted(seed):
    validation, test = split_test(BOTTLE, 0.3, seed)
    assert sorted([*validation, *test]) == list(range(83))
    assert (np.diff(validation) > 0).all() and (np.diff(test) > 0).all()


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.7])
def test_split_has_the_asked_size_and_the_same_share_of_defects_in_both_parts(fraction):
    validation, test = split_test(BOTTLE, fraction, 0)
    assert len(validation) == pytest.approx(fraction * 83, abs=1)
    assert BOTTLE[validation].sum() == pytest.approx(fraction * 63, abs=1)
    assert BOTTLE[test].sum() == pytest.approx((1 - fraction) * 63, abs=1)


def test_the_slides_split_of_bottle_leaves_14_good_and_44_defective_to_test():
    validation, test = split_test(BOTTLE, 0.3, 0)
    assert (len(validation), len(test)) == (25, 58)
    assert np.bincount(BOTTLE[test]).tolist() == [14, 44]


def test_split_depends_on_the_seed_alone():
    first = split_test(BOTTLE, 0.3, 7)
    assert all(np.array_equal(a, b) for a, b in zip(first, split_test(BOTTLE, 0.3, 7), strict=True))
    assert not np.array_equal(first[0], split_test(BOTTLE, 0.3, 8)[0])


@pytest.mark.parametrize(
    ("labels", "fraction"),
    [
        ([0] * 10, 0.3),  # no defects
        ([1] * 10, 0.3),
        ([0] * 9 + [1], 0.3),  # one defect cannot be in both parts
        ([0, 0, 1, 1], 0.01),  # nothing in the calibration part
        ([0, 0, 1, 1], 0.99),
        ([0] * 40 + [1] * 2, 0.05),  # two images, both of them good
    ],
)
def test_split_that_leaves_a_part_without_one_kind_is_refused(labels, fraction):
    with pytest.raises(
        CourseError, match=rf"{len(labels)} test images cannot be split {fraction:.0%}"
    ):
        split_test(np.array(labels), fraction, 0)


@pytest.mark.parametrize("seed", range(20))
def test_youden_and_oracle_find_what_brute_force_finds(seed):
    scores, labels = random_case(seed)
    if len(np.unique(labels)) < 2:
        scores, labels = np.append(scores, [0.5, 1.5]), np.append(labels, [0, 1])
    every = candidate_thresholds(scores)
    counts = [confusion(scores, labels, threshold) for threshold in every]
    best = max(c.balanced_accuracy for c in counts)
    youden = youden_threshold(scores, labels)
    assert confusion(scores, labels, youden).balanced_accuracy == pytest.approx(best)
    assert youden == next(
        t for t, c in zip(every, counts, strict=True) if c.balanced_accuracy >= best - 1e-12
    )
    oracle = oracle_threshold(scores, labels)
    assert f_normal(confusion(scores, labels, oracle)) == max(f_normal(c) for c in counts)


def test_youden_does_not_mind_how_many_defects_there_are():
    scores, labels = np.array([1, 2, 3, 4, 4.2, 4.4, 2.5, 5]), np.array([0] * 6 + [1] * 2)
    many = np.concatenate([scores, np.repeat(scores[labels == 1], 50)])
    truth = np.concatenate([labels, np.ones(100, dtype=int)])
    assert youden_threshold(many, truth) == youden_threshold(scores, labels)
    assert search_threshold(many, truth) < search_threshold(scores, labels)


def test_a_threshold_from_good_images_lets_its_share_of_them_pass():
    scores = np.random.default_rng(4).permutation(np.arange(1.0, 101))
    threshold = threshold_from_good(scores)
    assert (scores > threshold).sum() == 5
    assert threshold_from_good(scores, 1.0) == 100  # none of them is called defective
    assert threshold_from_good(np.array([7.0])) == 7


def test_balanced_accuracy_by_hand():
    assert Confusion(tn=3, fp=1, fn=2, tp=2).balanced_accuracy == pytest.approx((0.75 + 0.5) / 2)
