"""What must hold for any scores, labels, maps and splits: hypothesis makes up many of them."""

import os

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from course_ae.metrics import PixelRates, auroc
from course_ae.preprocessing import resize_mask, split_train_val
from course_ae.scoring import difference_maps, normalise, normalised_map, reference_statistics
from course_ae.settings import LIMITS, make_settings, setting_types
from course_ae.support.errors import CourseError
from course_ae.thresholds import (
    candidate_thresholds,
    confusion,
    count_errors,
    f1_defect,
    f_normal,
    oracle_threshold,
    search_threshold,
    split_test,
    threshold_from_good,
    youden_threshold,
)

EXAMPLES = int(os.environ.get("COURSE_AE_EXAMPLES", 60))  # tests/slow tries many more
settings.register_profile("course", deadline=None, max_examples=EXAMPLES, database=None)
settings.load_profile("course")

NUMBERS = st.floats(-1e6, 1e6, width=32)
# Few different values, so that ties are frequent, or any number.
VALUES = st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.3]), NUMBERS)


@st.composite
def judged(draw, least=1):
    """Scores (N,) and labels (N,) with at least so many of each label."""
    count = draw(st.integers(2 * least, 40))
    scores = draw(arrays(np.float64, count, elements=VALUES))
    labels = draw(arrays(np.int64, count, elements=st.integers(0, 1)))
    labels[:least], labels[-least:] = 0, 1
    return scores, labels


@given(judged())
def test_searched_threshold_has_the_fewest_errors_of_all(case):
    scores, labels = case
    found = search_threshold(scores, labels)
    tried = [*scores, *(scores + 1e-9), *(scores - 1e-9), found + 1, found - 1]
    least = min(confusion(scores, labels, threshold).errors for threshold in tried)
    assert confusion(scores, labels, found).errors <= least


@given(judged())
def test_counts_add_up_and_errors_are_counted_right(case):
    scores, labels = case
    for threshold, fp, fn in zip(*count_errors(scores, labels), strict=True):
        counts = confusion(scores, labels, threshold)
        assert (counts.fp, counts.fn) == (fp, fn)
        assert counts.tn + counts.fp == (labels == 0).sum()
        assert counts.tp + counts.fn == (labels == 1).sum()
        assert 0 <= f_normal(counts) <= 1 and 0 <= f1_defect(counts) <= 1


@given(judged())
def test_candidates_divide_the_scores_in_every_way(case):
    scores, _ = case
    candidates = candidate_thresholds(scores)
    assert (np.diff(candidates) > 0).all() or len(np.unique(scores)) == 1
    ways = {tuple(scores > threshold) for threshold in candidates}
    assert len(ways) == len(candidates) == len(np.unique(scores)) + 1


@given(judged(), st.floats(0.01, 100), NUMBERS)
def test_a_score_in_other_units_gives_the_same_verdicts(case, factor, shift):
    scores, labels = case
    moved = scores * factor + shift
    assume(len(np.unique(moved)) == len(np.unique(scores)))  # nothing lost by rounding
    for search in (search_threshold, youden_threshold, oracle_threshold):
        before = confusion(scores, labels, search(scores, labels))
        assert confusion(moved, labels, search(moved, labels)) == before


@given(judged())
def test_auroc_is_the_share_of_pairs_in_the_right_order(case):
    scores, labels = case
    ranks, defective = rankdata(scores), labels == 1
    n, m = defective.sum(), (~defective).sum()
    expected = (ranks[defective].sum() - n * (n + 1) / 2) / (n * m)
    assert auroc(scores, labels) == pytest.approx(expected, abs=1e-9)
    assert auroc(-scores, labels) == pytest.approx(1 - expected, abs=1e-9)


@given(judged(), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_scores_that_are_no_numbers_are_refused(case, value):
    scores, labels = case
    scores[0] = value
    for search in (search_threshold, youden_threshold, oracle_threshold):
        with pytest.raises(CourseError, match="are no numbers"):
            search(scores, labels)
    with pytest.raises(CourseError, match="are no numbers"):
        threshold_from_good(scores)


@given(st.integers(2, 400), st.floats(0.001, 0.9), st.integers(0, 2**32 - 1))
def test_val_split_is_complete_and_disjoint(count, fraction, seed):
    try:
        train, val = split_train_val(count, fraction, seed)
    except CourseError:
        assert count - max(1, round(fraction * count)) < 2
        return
    assert sorted([*train, *val]) == list(range(count))
    assert len(train) >= 2 and len(val) >= 1


@given(judged(2), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_test_split_is_complete_disjoint_and_keeps_good_and_defective(case, fraction, seed):
    _, labels = case
    try:
        parts = split_test(labels, fraction, seed)
    except CourseError:
        return
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for part in parts:
        assert set(labels[part]) == {0, 1}
    again = split_test(labels, fraction, seed)
    assert all(np.array_equal(one, other) for one, other in zip(parts, again, strict=True))


@st.composite
def pixels(draw):
    """Maps (N, H, W) and masks with at least one defective and one good pixel."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(2, 9), st.integers(2, 9)))
    values = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(-10, 10, width=32))
    maps = draw(arrays(np.float32, shape, elements=values))
    masks = draw(arrays(np.bool_, shape))
    masks[0, 0, 0], masks[0, 0, 1] = True, False
    return maps, masks


@given(pixels())
def test_pixel_figures_are_shares_and_a_perfect_map_has_all(case):
    maps, masks = case
    rates = PixelRates(list(maps), list(masks))
    assert 0 <= rates.au_pro() <= 1 and 0 <= rates.auroc() <= 1
    assert rates.auroc() == pytest.approx(auroc(maps.ravel(), masks.ravel().astype(int)), abs=1e-6)
    perfect = PixelRates(list(masks.astype(np.float32)), list(masks))
    assert perfect.au_pro() == pytest.approx(1) and perfect.auroc() == pytest.approx(1)


@given(pixels(), st.floats(0.1, 10))
def test_pixel_figures_do_not_depend_on_the_unit_of_the_map(case, factor):
    maps, masks = case
    scaled = maps * np.float32(factor)
    assume(len(np.unique(scaled)) == len(np.unique(maps)))
    one, other = (PixelRates(list(m), list(masks)).au_pro() for m in (maps, scaled))
    assert one == pytest.approx(other, abs=1e-6)


@st.composite
def pairs(draw):
    """Images and reconstructions, (N, 1, 16, 16) twice, in [0, 1]."""
    seed, count = draw(st.integers(0, 10**6)), draw(st.integers(1, 4))
    x = torch.rand(count, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    if draw(st.booleans()):
        x = x.round()  # black and white, with flat places
    weight = draw(st.sampled_from([0.0, 1e-6, 0.3, 1.0]))
    return x, (1 - weight) * x + weight * x.flip(-1)


@given(pairs(), st.sampled_from(["l1", "l2", "ssim"]))
def test_difference_maps_are_numbers_and_nothing_where_nothing_differs(case, name):
    x, x_hat = case
    maps = difference_maps(x, x_hat, name)
    assert maps.shape == (len(x), 16, 16) and maps.isfinite().all()
    assert maps.min() >= -1e-5 and maps.max() <= (2 if name == "ssim" else 1) + 1e-5
    assert torch.allclose(difference_maps(x, x, name), torch.zeros(len(x), 16, 16), atol=1e-5)
    assert torch.allclose(difference_maps(x_hat, x, name), maps, atol=1e-5)


@given(pairs(), pairs())
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_normalised_map_is_a_number_and_does_not_depend_on_the_other_images(case, good):
    (x, x_hat), reference = case, reference_statistics(*good)
    found = normalised_map(x, x_hat, reference)
    assert found.shape == (len(x), 16, 16) and found.isfinite().all()
    alone = torch.cat([normalised_map(x[i : i + 1], x_hat[i : i + 1], reference)
                       for i in range(len(x))])  # fmt: skip
    assert torch.allclose(alone, found, rtol=1e-2, atol=1e-2 * float(found.abs().max()) + 1e-3)
    usual = reference["l1_scales"]
    assert normalise(usual.mean[None], usual).abs().max() < 1e-2


@given(st.integers(1, 60), st.integers(1, 60), st.booleans())
def test_a_mask_of_one_value_stays_so_at_every_size(height, width, marked):
    assert (resize_mask(np.full((height, width), marked)) == marked).all()


ANY = st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.none())


@given(st.dictionaries(st.sampled_from(list(setting_types())), ANY, max_size=4))
def test_settings_are_within_their_limits_or_refused(given_values):
    try:
        made = make_settings("quick", **given_values)
    except CourseError as error:
        assert str(error).endswith((".", "?"))
        return
    for name, kind in setting_types().items():
        value, limits = getattr(made, name), LIMITS.get(name)
        assert type(value) is kind
        if limits:
            assert value in limits if kind is str else limits[0] <= value <= limits[1]
