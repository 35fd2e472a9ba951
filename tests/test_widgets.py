"""The threshold view and its slider say what the pure functions say."""

import re

import ipywidgets
import numpy as np
import pytest

from course_ae import widgets
from course_ae.pipeline import Scores
from course_ae.thresholds import confusion, f_normal, search_threshold, split_test


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 20 + [1] * 40)
    defects = np.array(["good"] * 20 + ["crack"] * 20 + ["<b>stain</b>"] * 20)
    values = {"l2": rng.normal(labels, 0.7), "ssim": rng.normal(labels, 1.5)}
    names = [f"test/{defect}/{i:03}.png" for i, defect in enumerate(defects)]
    return Scores(names, defects, labels, *split_test(labels, 0.3, 0), values)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (60, 227, 227), dtype=np.uint8)


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("threshold", [-9.0, 0.2, 0.7, 9.0])
def test_the_view_says_what_confusion_says(scores, images, part, threshold):
    _, sentence = widgets.ThresholdView(scores, images, "l2", part).at(threshold)
    counts = confusion(*scores.part("l2", part), threshold)
    words = ", ".join(f"{n.upper()} {v}" for n, v in counts._asdict().items())
    assert words in sentence
    assert f"F on the normal class {f_normal(counts):.3f}" in sentence
    assert f"{counts.errors} images wrongly judged" in sentence


def test_the_figure_moves_with_the_threshold(scores, images):
    view = widgets.ThresholdView(scores, images, "l2")
    pictures = [widgets.png(view.at(threshold)[0]) for threshold in (0.2, 0.9, 0.2)]
    assert pictures[0] != pictures[1]
    assert pictures[0] == pictures[2]  # and leaves nothing of the other behind


def parts(explorer):
    (slider, box), text, picture = explorer.children[0].children, *explorer.children[1:]
    return slider, box, text, picture


def test_the_slider_starts_at_the_threshold_on_a_whole_step(scores, images):
    threshold = search_threshold(*scores.part("l2", "validation"))
    slider, box, text, _ = parts(widgets.threshold_explorer(scores, images, "l2", threshold))
    assert slider.value == box.value == threshold
    steps = (threshold - slider.min) / slider.step
    assert steps == pytest.approx(round(steps), abs=1e-6)
    values = scores.part("l2", "validation")[0]
    assert slider.min < values.min() and slider.max > values.max()
    assert f"Threshold {threshold:.5f}" in text.value


def test_moving_slider_or_box_changes_numbers_and_picture(scores, images):
    slider, box, text, picture = parts(widgets.threshold_explorer(scores, images, "l2", 0.5))
    before = picture.value
    slider.value = 0.9
    counts = confusion(*scores.part("l2", "validation"), 0.9)
    assert f"TN {counts.tn}, FP {counts.fp}, FN {counts.fn}, TP {counts.tp}" in text.value
    assert picture.value != before
    box.value = 0.1
    assert slider.value == 0.1
    assert "Threshold 0.10000" in text.value


def test_equal_scores_still_give_a_slider(scores, images):
    same = Scores(**{**vars(scores), "values": {"l2": np.ones(60)}})
    slider, *_ = parts(widgets.threshold_explorer(same, images, "l2", 1.0))
    assert isinstance(slider, ipywidgets.FloatSlider)
    assert re.fullmatch(r"<b>Threshold 1\.00000: .*</b>", parts(
        widgets.threshold_explorer(same, images, "l2", 1.0))[2].value)  # fmt: skip


@pytest.mark.parametrize("kind", ["l2", "ssim"])
def test_the_marker_lies_on_its_curve_at_every_threshold(scores, images, kind):
    view = widgets.ThresholdView(scores, images, kind)
    curve = view.marker.axes.get_lines()[0]
    x, y = curve.get_data()  # drawn with steps: each value holds from its x to the next
    for threshold in np.linspace(x[0], x[-1], 97):
        view.at(threshold)
        assert curve.get_drawstyle() == "steps-post"
        drawn = y[np.searchsorted(x, threshold, side="right") - 1]
        assert view.marker.get_ydata()[0] == drawn
