"""Difference maps and scores by hand."""

import pytest
import torch

from course_ae.scoring import (
    DIFFERENCES,
    difference_maps,
    difference_scores,
    l2_difference,
    ssim_difference,
)
from course_ae.ssim import ssim_map


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
    assert difference_scores(maps).tolist() == [3.0, 0.25]


@pytest.mark.parametrize("kind", ["l2", "ssim"])
def test_maps_do_not_depend_on_the_batch_size(bottles, kind):
    x_hat = bottles.roll(1, dims=0)
    maps = difference_maps(bottles, x_hat, kind, batch_size=3)
    assert maps.shape == (8, 227, 227)
    torch.testing.assert_close(maps, difference_maps(bottles, x_hat, kind), atol=1e-5, rtol=0)
    torch.testing.assert_close(maps, DIFFERENCES[kind](bottles, x_hat), atol=1e-5, rtol=0)


def test_each_kind_is_its_own_map(bottles):
    x_hat = bottles.flip(-2)
    squared = ((bottles - x_hat) ** 2)[:, 0]
    torch.testing.assert_close(difference_maps(bottles, x_hat, "l2"), squared)
    torch.testing.assert_close(
        difference_maps(bottles, x_hat, "ssim"), 1 - ssim_map(bottles, x_hat)
    )


@pytest.mark.parametrize("kind", ["l2", "ssim"])
def test_a_painted_spot_raises_the_map_there_and_the_score(bottles, kind):
    good = bottles[:2]
    spoiled = good.clone()
    spoiled[0, 0, 100:120, 60:80] = 1 - spoiled[0, 0, 100:120, 60:80]
    maps = difference_maps(spoiled, good, kind)
    row, column = divmod(int(maps[0].argmax()), 227)
    assert 95 <= row < 125 and 55 <= column < 85
    scores = difference_scores(maps)
    assert scores[0] > scores[1] + 1e-4
