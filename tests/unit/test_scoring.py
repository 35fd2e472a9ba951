"""Difference maps and scores by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_ae.scoring import (
    DIFFERENCES,
    FLOOR,
    MAP_SIGMA,
    NEARBY,
    NORMALISED,
    SCALES,
    SURE,
    Scores,
    difference_maps,
    fine_and_wide,
    l2_difference,
    max_score,
    mean_score,
    normalise,
    normalised_map,
    reference_statistics,
    smooth,
    ssim_difference,
)
from course_ae.ssim import ssim_map
from course_ae.support.local_mean import window_matrix


def test_l2_difference_by_hand():
    x = torch.tensor([[[[0.0, 0.5], [1.0, 0.2]]]])
    x_hat = torch.tensor([[[[0.5, 0.5], [0.0, 0.3]]]])
    expected = torch.tensor([[[0.25, 0.0], [1.0, 0.01]]])
    torch.testing.assert_close(l2_difference(x, x_hat), expected)
    torch.testing.assert_close(l2_difference(x_hat, x), expected)


def test_ssim_difference_is_zero_for_equal_images_and_not_for_others(bottles):
    equal = ssim_difference(bottles, bottles)
    assert equal.shape == (8, 227, 227)
    torch.testing.assert_close(equal, torch.zeros_like(equal), atol=1e-3, rtol=0)
    other = ssim_difference(bottles, bottles.flip(-1))
    assert other.mean() > 0.05
    assert other.min() >= -1e-3 and other.max() <= 2 + 1e-3


def test_ssim_difference_of_constant_images_by_hand():
    x, x_hat = torch.full((1, 1, 20, 20), 0.2), torch.full((1, 1, 20, 20), 0.6)
    by_hand = 1 - (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4)
    expected = torch.full((1, 20, 20), by_hand)
    torch.testing.assert_close(ssim_difference(x, x_hat), expected, atol=1e-3, rtol=0)


def test_score_is_the_mean_of_each_map():
    maps = torch.tensor([[[1.0, 2.0], [3.0, 6.0]], [[0.0, 0.0], [0.0, 1.0]]])
    assert mean_score(maps).tolist() == [3.0, 0.25]


@pytest.mark.parametrize("name", DIFFERENCES)
def test_maps_do_not_depend_on_the_batch_size(bottles, name):
    x_hat = bottles.roll(1, dims=0)
    maps = difference_maps(bottles, x_hat, name, batch_size=3)
    assert maps.shape == (8, 227, 227)
    torch.testing.assert_close(maps, difference_maps(bottles, x_hat, name), atol=1e-5, rtol=0)
    torch.testing.assert_close(maps, DIFFERENCES[name](bottles, x_hat), atol=1e-5, rtol=0)


def test_each_difference_is_its_own_map(bottles):
    x_hat = bottles.flip(-2)
    squared = ((bottles - x_hat) ** 2)[:, 0]
    torch.testing.assert_close(difference_maps(bottles, x_hat, "l2"), squared)
    torch.testing.assert_close(
        difference_maps(bottles, x_hat, "ssim"), 1 - ssim_map(bottles, x_hat)
    )


@pytest.mark.parametrize("name", ["l2", "ssim"])
def test_a_painted_spot_raises_the_map_there_and_the_score(bottles, name):
    good = bottles[:2]
    spoiled = good.clone()
    spoiled[0, 0, 100:120, 60:80] = 1 - spoiled[0, 0, 100:120, 60:80]
    maps = difference_maps(spoiled, good, name)
    row, column = divmod(int(maps[0].argmax()), 227)
    assert 95 <= row < 125 and 55 <= column < 85
    scores = mean_score(maps)
    assert scores[0] > scores[1] + 1e-4


def good_maps(seed=0):
    """Maps of 50 good images whose pixels differ in how much they vary, (50, 6, 7)."""
    return torch.rand(50, 6, 7, generator=torch.Generator().manual_seed(seed)) * torch.arange(
        1.0, 8
    )


def reference_of(good):
    """The statistics of L1 differences that are just these maps."""
    pair = good[:, None], torch.zeros_like(good)[:, None]
    return reference_statistics(*pair, ["l1"])["l1"]


def test_reference_statistics_are_mean_and_deviation_around_each_pixel():
    good = good_maps()
    mean, deviation = reference_of(good)
    around = window_matrix(6, NEARBY, good.device), window_matrix(7, NEARBY, good.device)
    for found, own in ((mean, good.mean(dim=0)), (deviation.square(), good.var(0, correction=0))):
        torch.testing.assert_close(found, around[0] @ own @ around[1].T, rtol=1e-4, atol=1e-6)
    assert deviation.std() < 0.2 * good.std(dim=0).std()  # which grows from left to right


def test_a_difference_of_one_deviation_above_the_mean_is_one():
    reference = reference_of(good_maps())
    mean, spread = reference
    assert normalise(mean[None], reference).abs().max() < 1e-5
    off = mean + (spread + FLOOR * spread.mean()) / (1 + FLOOR)
    torch.testing.assert_close(normalise(off[None], reference), torch.ones(1, *mean.shape))


def test_a_network_that_is_never_off_divides_by_nothing():
    constant = torch.full((4, 3, 3), 0.5)
    assert normalise(constant, reference_of(constant)).isfinite().all()


def test_the_normalised_map_adds_up_the_differences(bottles):
    x, x_hat, good, good_hat = bottles[4:6], bottles[:2], bottles[:4], bottles[:4].flip(-1)
    reference = reference_statistics(good, good_hat)
    assert list(reference) == list(NORMALISED)
    found = normalised_map(x, x_hat, reference)
    by_hand = torch.zeros(2, 227, 227)
    for name in NORMALISED:
        maps, usual = (difference_maps(*pair, name) for pair in ((x, x_hat), (good, good_hat)))
        mean, variance = smooth(torch.stack([usual.mean(0), usual.var(0, correction=0)]), NEARBY)
        deviation = variance.sqrt()
        by_hand += (maps - mean) / (deviation + FLOOR * deviation.mean()) * (1 + FLOOR)
    torch.testing.assert_close(found, by_hand, atol=1e-3, rtol=1e-3)
    alone = normalised_map(x[:1], x_hat[:1], reference)  # an image does not depend on its company
    torch.testing.assert_close(alone, found[:1], atol=1e-4, rtol=1e-4)
    stained = torch.zeros(2, 227, 227)
    stained[0, 50:150, 50:150] = 1
    more = normalised_map(x, x_hat, reference, stained) - found
    torch.testing.assert_close(more, SURE * stained, atol=1e-4, rtol=1e-4)


def test_differences_at_scales_are_the_mean_over_ever_smaller_copies(bottles):
    x, x_hat = bottles[:2], bottles[2:4]
    maps = torch.zeros(2, 227, 227)
    a, b = x, x_hat
    for _ in range(SCALES):
        maps += F.interpolate((a - b).abs(), (227, 227), mode="bilinear")[:, 0] / SCALES
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    torch.testing.assert_close(difference_maps(x, x_hat, "l1_scales"), maps)
    assert difference_maps(x, x, "ssim_scales").abs().max() < 1e-5


def test_max_score_is_the_largest_value_and_smoothing_keeps_the_sum():
    maps = torch.zeros(2, 61, 61)
    maps[0, 30, 30], maps[1, 2, 3] = 5.0, -1.0
    assert max_score(maps).tolist() == [5.0, 0.0]
    wide = smooth(maps[:1])
    assert wide.sum().item() == pytest.approx(5, rel=1e-3)
    assert 0 < wide.max() < 0.2 and wide.argmax() == maps[0].argmax()


def test_a_fine_and_wide_map_keeps_the_outline_and_fills_the_inside():
    ring = torch.zeros(1, 101, 101)
    ring[0, 40:61, 40:61] = 1.0
    ring[0, 42:59, 42:59] = 0.0
    found = fine_and_wide(ring)
    torch.testing.assert_close(found, ring / 2 + smooth(ring, MAP_SIGMA) / 2)
    inside, outside = found[0, 50, 50], found[0, 50, 90]
    assert found[0, 40, 40] > 0.5 > inside > 5 * outside  # of the ring alone nothing is inside


@pytest.fixture
def scores():
    labels = np.array([0, 0, 1, 1, 1])
    types = np.array(["good", "good", "crack", "crack", "stain"])
    return Scores(list("abcde"), types, labels, np.array([1, 2]), np.array([0, 3, 4]))


def test_scores_are_handed_out_by_part(scores):
    values, good = torch.arange(5.0), torch.tensor([0.5])
    maps = torch.zeros(5, 2, 2)
    scores.add("l2", values, maps, good)
    chosen, labels = scores.part("l2", "calibration")
    assert chosen.tolist() == [1, 2] and labels.tolist() == [0, 1]
    judged, labels = scores.part("l2", "test")
    assert judged.tolist() == [0, 3, 4] and labels.tolist() == [0, 1, 1]
    assert scores.maps["l2"] is maps and scores.good["l2"].tolist() == [0.5]
    assert scores.values["l2"].dtype == np.float64


def test_new_scores_share_nothing(scores):
    scores.add("l2", torch.zeros(5), torch.zeros(5, 2, 2), torch.zeros(1))
    given = (scores.names, scores.defect_types, scores.labels, scores.calibration, scores.test)
    other = Scores(*given)
    assert other.values == other.maps == other.good == {}
