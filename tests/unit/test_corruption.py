"""Painted defects: where they are, what they leave alone, and the same for the same seed."""

import pytest
import torch

from course_ae.corruption import SHARE, VISIBLE, soft, stain
from course_ae.datasets.painted import PAINTED, scratch, wrong_piece


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def paint_stains(x, generator):
    return stain(x, x, generator)


BRUSHES = {**PAINTED, "stain": paint_stains}
each_brush = pytest.mark.parametrize("name", BRUSHES)


@each_brush
def test_only_the_masked_pixels_change_and_stay_in_range(bottles, name):
    before = bottles.clone()
    painted, mask = BRUSHES[name](bottles, seeded())
    assert torch.equal(bottles, before)  # the clean images are the target and stay clean
    assert painted.shape == bottles.shape and painted.dtype == bottles.dtype
    assert mask.shape == bottles.squeeze(1).shape and mask.dtype == torch.bool
    assert painted.min() >= 0 and painted.max() <= 1
    change = (painted - bottles).squeeze(1).abs()
    assert torch.equal(mask, change > VISIBLE)
    assert mask.any()


def test_soft_edges_are_the_mean_of_three_by_three_pixels():
    cover = torch.rand(2, 9, 12, generator=seeded())
    pooled = torch.nn.functional.avg_pool2d(cover[:, None], 3, stride=1, padding=1)[:, 0]
    torch.testing.assert_close(soft(cover), pooled)


@each_brush
def test_the_same_seed_paints_the_same_and_another_one_something_else(bottles, name):
    painted = [BRUSHES[name](bottles, seeded(seed))[0] for seed in (3, 3, 4)]
    assert torch.equal(painted[0], painted[1])
    assert not torch.equal(painted[0], painted[2])


@each_brush
def test_images_that_are_not_square_are_painted_as_well(name):
    x = torch.rand(4, 1, 60, 90, generator=seeded(1))
    painted, mask = BRUSHES[name](x, seeded())
    assert painted.shape == x.shape and mask.shape == (4, 60, 90) and mask.any()


def test_most_images_are_stained_and_some_are_left_alone():
    x = torch.rand(400, 1, 64, 64, generator=seeded(2))
    _, mask = stain(x, x[:5], seeded())
    stained = mask.flatten(1).any(dim=1).float().mean()
    assert SHARE - 0.15 < stained < SHARE + 0.05  # a stain can lie outside or be too faint
    share = mask.float().mean()
    assert 0.005 < share < 0.15


def test_stains_are_of_many_sizes(bottles):
    areas = [
        stain(bottles, bottles, seeded(seed))[1].flatten(1).float().mean(1) for seed in range(20)
    ]
    areas = torch.cat(areas)
    assert (areas > 0.05).any() and ((areas > 0) & (areas < 0.003)).any()


def test_a_scratch_is_thin_and_a_wrong_piece_is_made_of_the_image_itself(bottles):
    flat = torch.full((8, 1, 227, 227), 0.5)
    _, lines = scratch(flat, seeded())
    for line in lines:
        rows, columns = torch.nonzero(line, as_tuple=True)
        if len(rows):
            length = torch.hypot(rows.float() - rows[0], columns.float() - columns[0]).max()
            assert line.sum() < 6 * max(length, 3)
    pieces, _ = wrong_piece(bottles, seeded())
    for piece, bottle in zip(pieces, bottles, strict=True):
        assert set(piece.unique().tolist()) <= set(bottle.unique().tolist())
    same, mask = wrong_piece(flat, seeded())
    assert torch.equal(same, flat) and not mask.any()
