"""Figures: equal colours mean equal values, and what is drawn over a picture hides no defect."""

import numpy as np
import pytest

from course_ae.classroom import figures
from course_ae.classroom.widgets import SameImageView
from course_ae.scoring import Scores

SIDE = 40


@pytest.fixture
def columns():
    """Two images, two reconstructions, and maps of two kinds that differ in size."""
    rng = np.random.default_rng(0)
    draw = lambda top: rng.uniform(0, top, (2, SIDE, SIDE))  # noqa: E731
    return {
        "input": draw(0.5),
        "reconstruction": draw(1),
        "L2 map": draw(0.2),
        "denoiser's L2 map": draw(0.6),
        "SSIM map": draw(2),
    }


@pytest.fixture
def square():
    """A mask with a hole-less square in its middle."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[15:25, 15:25] = True
    return mask


def limits(axes):
    (image,) = axes.images
    return image.get_clim()


def test_maps_of_a_kind_share_a_scale_and_gray_images_go_from_black_to_white(columns):
    scales = figures.scales(columns)
    assert scales["input"] == scales["reconstruction"] == {}
    assert scales["L2 map"] == scales["denoiser's L2 map"] != scales["SSIM map"]
    assert scales["L2 map"]["vmax"] == np.quantile(columns["denoiser's L2 map"], 0.999)


def test_a_comparison_has_one_scale_a_kind_over_all_its_rows(columns, square):
    figure = figures.comparison(columns, ["a", "b"], [None, square])
    grid = np.array([axes for axes in figure.axes if axes.images]).reshape(2, len(columns))
    for i, name in enumerate(columns):
        assert limits(grid[0, i]) == limits(grid[1, i])
        if not name.endswith("map"):
            assert limits(grid[0, i]) == (0, 1)
    assert limits(grid[0, 2]) == limits(grid[0, 3]) != limits(grid[0, 4])
    figures.png(figure)


def test_an_explorer_has_the_scales_of_the_figure(columns):
    labels = np.array([0, 1])
    types = np.array(["good", "scratch"])
    scores = Scores(["a", "b"], types, labels, labels, labels, {"l2": np.array([0.1, 0.2])})
    view = SameImageView(scores, columns, [None, None])
    for name, scale in figures.scales(columns).items():
        assert view.drawn[name].get_clim() == (0, scale.get("vmax", 1))


def test_the_outline_of_a_mask_is_thin_and_lies_outside_it(square):
    _, (axes,) = figures.panels(1, 2, 2)
    figures.outline(axes, square)
    (line,) = axes.collections
    assert line.get_linewidths().max() <= 1
    points = np.concatenate([path.vertices for path in line.get_paths()])
    outside = np.abs(points - 19.5).max(axis=1)  # from the middle of the square, whose edge is at 5
    assert outside.min() > 5 and outside.max() < 8


@pytest.mark.parametrize("mask", [None, np.zeros((9, 9), bool), np.ones((9, 9), bool)])
def test_no_mask_an_empty_one_and_one_of_everything_have_no_outline(mask):
    _, (axes,) = figures.panels(1, 2, 2)
    figures.outline(axes, mask)
    assert not axes.collections


def test_learning_curves_hold_the_opponents_that_are_known():
    history = [{"epoch": 1, "train_loss": 0.3, "val_loss": 0.2}]
    for opponents in ((), (0.3, None), (0.3, 0.1)):
        (axes,) = figures.learning_curves(history, 1, *opponents).axes
        lines = [line for line in axes.lines if line.get_label().endswith(", validation")]
        known = [value for value in opponents if value is not None]
        assert [line.get_ydata()[0] for line in lines] == known
        assert len({line.get_linestyle() for line in lines}) == len(known)


@pytest.mark.parametrize(("network", "scale"), [(0.2, "log"), (0.95, "linear"), (0.0, "linear")])
def test_small_losses_are_not_flattened_by_large_ones(network, scale):
    history = [{"epoch": 1, "train_loss": 1.0, "val_loss": network}]
    figure = figures.learning_curves(history, 1)
    (axes,) = figure.axes
    assert axes.get_yscale() == scale
    figures.png(figure)  # also without formulas
    if scale == "log":
        figure.canvas.draw()
        ticks = [text.get_text() for text in axes.get_yticklabels()]
        assert {"0.2", "0.5", "1"} <= set(ticks)
    low, high = axes.get_ylim()
    assert (high - low) < 1.3  # of all values, and not more


def test_differences_lie_below_their_images_on_one_scale():
    images, apart = np.zeros((2, 3, 4, 4)), np.zeros((3, 4, 4))
    figure = figures.with_differences(images, apart, ["a", "b", "c"], ["", "", "d"], 0.1)
    figures.png(figure)
    drawn = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in drawn] == ["a", "b", "c", *[""] * 5, "d"]
    assert {axes.images[0].get_clim() for axes in drawn[-3:]} == {(-0.1, 0.1)}
