"""Metrics by hand and from their definitions, and the spread of F over many splits."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, roc_auc_score

from course_ae.metrics import (
    PixelRates,
    au_pro,
    auroc,
    average_precision,
    bootstrap,
    f_normal_splits,
    mean_interval,
    threshold_estimates,
)
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


# --- intervals ---------------------------------------------------------------------------------


def test_auroc_and_average_precision_equal_scikit_learn_with_ties():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 200)
    for decimals in (8, 1, 0):
        scores = np.round(rng.normal(size=200) + labels, decimals)
        assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
        expected = average_precision_score(labels, scores)
        assert average_precision(scores, labels) == pytest.approx(expected, abs=1e-12)
    # by hand: defective at ranks 1 and 3 of 4, so the mean of 1/1 and 2/3
    assert average_precision(np.array([4.0, 3, 2, 1]), np.array([1, 0, 1, 0])) == pytest.approx(
        (1 + 2 / 3) / 2
    )


def test_bootstrap_interval_holds_the_value_and_narrows_with_more_images(overlapping):
    low, high = bootstrap(auroc, overlapping, LABELS, repeats=300)
    assert 0 <= low < auroc(overlapping, LABELS) < high <= 1
    many, labels = np.tile(overlapping, 9), np.tile(LABELS, 9)
    narrow = bootstrap(auroc, many, labels, repeats=300)
    assert (narrow[1] - narrow[0]) < (high - low) / 2
    assert bootstrap(auroc, overlapping, LABELS, repeats=300) == (low, high)  # the same again


def test_bootstrap_keeps_the_number_of_good_and_defective_images(overlapping):
    counts = set()
    bootstrap(lambda s, y: counts.add((len(y), y.sum())) or 0.0, overlapping, LABELS, repeats=20)
    assert counts == {(30, 20)}


def test_mean_interval_by_hand():
    mean, low, high = mean_interval(np.array([1.0, 2.0, 3.0]))
    reach = 4.302653 / np.sqrt(3)  # Student's t for 97.5 % and two degrees of freedom
    assert (mean, low, high) == pytest.approx((2, 2 - reach, 2 + reach), abs=1e-5)


def test_estimates_at_a_threshold_are_those_of_its_confusion():
    scores, labels = np.array([1.0, 3, 2, 4, 5]), np.array([0, 0, 1, 1, 1])
    found = threshold_estimates(scores, labels, 2.5)  # one false alarm, one missed defect
    assert found["f_normal"]["value"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert found["f1_defect"]["value"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert found["balanced_accuracy"]["value"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in found.values())


# --- pixels ------------------------------------------------------------------------------------


def by_definition(maps, masks, max_fpr):
    """AU-PRO from its definition: every distinct value is a threshold, straight lines between."""
    good = np.concatenate([m[~k] for m, k in zip(maps, masks, strict=True)])
    regions = []
    for values, mask in zip(maps, masks, strict=True):
        numbered, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [values[numbered == i] for i in range(1, count + 1)]
    fpr, pro = [0.0], [0.0]
    for threshold in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        fpr.append((good >= threshold).mean())
        pro.append(np.mean([(region >= threshold).mean() for region in regions]))
    inside = int(np.searchsorted(fpr, max_fpr, "right"))
    end = np.interp(max_fpr, fpr[inside - 1 : inside + 1], pro[inside - 1 : inside + 1])
    return np.trapezoid([*pro[:inside], end], [*fpr[:inside], max_fpr]) / max_fpr


@pytest.mark.parametrize("max_fpr", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("ties", [None, 4, 1])  # 1: hardly more than five distinct values
def test_au_pro_equals_its_definition(max_fpr, ties):
    rng = np.random.default_rng(3)
    masks = rng.random((5, 17, 13)) < 0.1
    masks[1] = False  # an image without defect
    maps = rng.normal(size=masks.shape) + masks
    maps = maps if ties is None else np.round(maps * ties) / ties
    assert au_pro(maps, masks, max_fpr) == pytest.approx(
        by_definition(maps, masks, max_fpr), abs=1e-12
    )
    expected = roc_auc_score(masks.ravel(), maps.ravel())
    assert PixelRates(maps, masks).auroc() == pytest.approx(expected, abs=1e-12)


def one_region(values, mask):
    return np.array([values], dtype=float), np.array([mask], dtype=bool)


@pytest.mark.parametrize(
    ("values", "mask", "max_fpr", "expected"),
    [
        ([[9, 8, 1, 2]], [[1, 1, 0, 0]], 0.3, 1.0),  # found before any false alarm
        ([[1, 2, 8, 9]], [[1, 1, 0, 0]], 1.0, 0.0),  # found after all of them
        ([[5, 5, 5, 5]], [[1, 1, 0, 0]], 1.0, 0.5),  # one threshold: the diagonal
        ([[5, 5, 5, 5]], [[1, 1, 0, 0]], 0.3, 0.15),  # PRO 0.3 at the end, a triangle
        ([[9, 1, 5, 5]], [[1, 1, 0, 0]], 1.0, 0.5),  # half of the region at once, half too late
        ([[9, 5, 5, 1]], [[1, 1, 0, 0]], 1.0, 0.5 + 0.5 * (1 / 2 * 1 / 2 + 1 / 2)),
    ],
)
def test_au_pro_by_hand(values, mask, max_fpr, expected):
    assert au_pro(*one_region(values, mask), max_fpr) == pytest.approx(expected, abs=1e-12)


def test_small_and_large_regions_count_the_same():
    masks = np.zeros((1, 10, 10), dtype=bool)
    masks[0, :6, :6] = True  # 36 pixels, never found
    masks[0, 9, 9] = True  # one pixel in the corner, found at once
    maps = np.where(masks, 0.0, 1.0)
    maps[0, 9, 9] = 2.0
    assert au_pro(maps, masks) == pytest.approx(0.5)
    assert PixelRates(maps, masks).auroc() == pytest.approx(1 / 37)


def test_regions_that_touch_at_a_corner_are_one():
    masks = np.zeros((1, 6, 6), dtype=bool)
    masks[0, 0, 0] = masks[0, 1, 1] = True
    maps = np.zeros((1, 6, 6))
    maps[0, 0, 0], maps[0, 1, 1] = 2.0, -1.0
    maps[0, 3:] = 1.0
    assert au_pro(maps, masks) == pytest.approx(0.5)  # one region, half of it found
    masks[0, 1, 1], masks[0, 2, 2] = False, True  # no longer touching: two regions
    maps[0, 1, 1], maps[0, 2, 2] = 0.0, -1.0
    assert au_pro(maps, masks) == pytest.approx(0.5)
    masks[0, 2, 2], masks[0, 2, 3] = True, True  # the second one is larger now, and counts as one
    maps[0, 2, 3] = 3.0
    assert au_pro(maps, masks) == pytest.approx(0.75)


def test_au_pro_does_not_depend_on_the_order_of_images_nor_on_rising_transforms():
    rng = np.random.default_rng(8)
    masks = rng.random((6, 20, 20)) < 0.05
    maps = rng.normal(size=masks.shape) + 2 * masks
    expected, order = au_pro(maps, masks), rng.permutation(6)
    assert 0.1 < expected < 0.95
    assert au_pro(maps[order], masks[order]) == pytest.approx(expected, abs=1e-12)
    assert au_pro(np.exp(maps), masks) == pytest.approx(expected, abs=1e-12)
    assert au_pro(maps[:, ::-1, :], masks[:, ::-1, :]) == pytest.approx(expected, abs=1e-12)


def test_images_of_different_sizes_are_measured_together():
    rng = np.random.default_rng(9)
    masks = [rng.random(size) < 0.1 for size in ((12, 9), (7, 30))]
    maps = [rng.normal(size=mask.shape) + mask for mask in masks]
    assert au_pro(maps, masks) == pytest.approx(by_definition(maps, masks, 0.3), abs=1e-12)


@pytest.mark.parametrize(
    ("maps", "masks", "max_fpr", "words"),
    [
        (np.zeros((2, 4, 4)), np.zeros((2, 4, 4), bool), 0.3, "both good and defective"),
        (np.zeros((2, 4, 4)), np.ones((2, 4, 4), bool), 0.3, "both good and defective"),
        (np.zeros((0, 4, 4)), np.zeros((0, 4, 4), bool), 0.3, "both good and defective"),
        (np.zeros((2, 4, 4)), np.ones((1, 4, 4), bool), 0.3, "2 maps, but 1 masks"),
        (np.zeros((1, 4, 4)), np.ones((1, 4, 5), bool), 0.3, r"\(4, 4\) has a mask of \(4, 5\)"),
        (np.full((1, 4, 4), np.nan), np.eye(4, dtype=bool)[None], 0.3, "NaN or infinity"),
        (np.zeros((1, 4, 4)), np.eye(4, dtype=bool)[None], 0.0, "max_fpr must lie"),
        (np.zeros((1, 4, 4)), np.eye(4, dtype=bool)[None], 1.1, "max_fpr must lie"),
    ],
)
def test_what_cannot_be_measured_is_said(maps, masks, max_fpr, words):
    with pytest.raises(ValueError, match=words):
        au_pro(maps, masks, max_fpr)


def test_curves_end_at_one_and_hold_the_area():
    rng = np.random.default_rng(10)
    masks = rng.random((4, 40, 40)) < 0.1
    maps = rng.normal(size=masks.shape) + 2 * masks
    rates, fpr = PixelRates(maps, masks), np.linspace(0, 1, 4001)
    found, pro = rates.curves(fpr)
    assert found[-1] == pytest.approx(1) and pro[-1] == pytest.approx(1)
    assert (np.diff(found) >= 0).all() and (np.diff(pro) >= 0).all()
    assert np.trapezoid(found, fpr) == pytest.approx(rates.auroc(), abs=2e-3)
    assert np.trapezoid(pro, fpr) == pytest.approx(rates.au_pro(1.0), abs=2e-3)
