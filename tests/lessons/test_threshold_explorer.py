"""The threshold explorer: one change, one new picture, and no control argues with another."""

import numpy as np
import pytest
import torch

from course_ae.classroom.widgets.threshold import ThresholdExplorer, ThresholdView
from course_ae.scoring import Scores
from course_ae.thresholds import search_threshold, split_test


@pytest.fixture
def explorer():
    rng = np.random.default_rng(0)
    labels = np.array([0] * 20 + [1] * 40)
    defect_types = np.array(["good"] * 20 + ["crack"] * 40)
    values = {"l2": rng.normal(labels, 0.7), "ssim": rng.normal(labels, 1.5)}
    names = [f"test/{name}/{i:03}.png" for i, name in enumerate(defect_types)]
    maps = {name: torch.rand(60, 9, 9) for name in values}
    scores = Scores(names, defect_types, labels, *split_test(labels, 0.3, 0), values, maps)
    image = np.zeros((60, 9, 9), dtype=np.uint8)
    return ThresholdExplorer(scores, {"input": image, "reconstruction": image}, [None] * 60)


@pytest.fixture
def seen(explorer, monkeypatch):
    """The thresholds and images that the view was moved to, one a picture."""
    found, at = [], ThresholdView.at
    monkeypatch.setattr(
        ThresholdView, "at", lambda view, **values: found.append(values) or at(view, **values)
    )
    return found


def drag(explorer, steps):
    explorer.slider.set_state({"value": explorer.slider.value + steps})  # the browser's message


def type_in(explorer, value):
    explorer.box.set_state({"value": value})


def between_steps(explorer, share, steps=30):
    """A threshold that many steps above the slider and a share of one more."""
    first, second = explorer.steps[explorer.slider.value + steps :][:2]
    return float(first + share * (second - first))


def test_it_starts_at_the_threshold_of_the_search_on_one_of_the_sliders_steps(explorer):
    values = explorer.scores.values["l2"]
    assert explorer.box.value == search_threshold(*explorer.scores.part("l2", "calibration"))
    assert explorer.steps[explorer.slider.value] == explorer.box.value
    assert explorer.slider.min == 0 and explorer.slider.max == len(explorer.steps) - 1
    assert explorer.steps[0] < values.min() and explorer.steps[-1] > values.max()


def test_a_drag_sets_the_threshold_to_the_sliders_value_once(explorer, seen):
    for steps in (7, -1, 1, -20):
        drag(explorer, steps)
        value = explorer.steps[explorer.slider.value]
        assert explorer.box.value == value
        assert seen.pop()["threshold"] == value and not seen
        assert f"Threshold {value:.5f}" in explorer.sentence.value


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.8])
def test_what_is_typed_is_the_threshold_exactly_and_once(explorer, seen, share):
    value = between_steps(explorer, share)
    type_in(explorer, value)
    assert explorer.box.value == value
    assert seen.pop()["threshold"] == value and not seen
    gap = np.diff(explorer.steps).max()
    assert abs(explorer.steps[explorer.slider.value] - value) <= 0.5001 * gap


@pytest.mark.parametrize("first", [1, -1])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_the_slider_moves_on_from_where_it_followed_what_was_typed(explorer, seen, share, first):
    type_in(explorer, between_steps(explorer, share))
    seen.clear()
    for steps in (first, -first, -first, first):  # an arrow key each
        drag(explorer, steps)
        assert explorer.box.value == explorer.steps[explorer.slider.value]
        assert seen.pop()["threshold"] == explorer.box.value and not seen


def test_what_is_typed_at_the_same_step_leaves_the_slider_alone(explorer, seen):
    messages = []
    explorer.slider.observe(messages.append)
    type_in(explorer, between_steps(explorer, 0.2, steps=0))
    assert len(seen) == 1 and not messages


def test_a_number_outside_is_clipped_for_both(explorer, seen):
    type_in(explorer, 1e6)
    assert explorer.box.value == explorer.box.max == explorer.steps[explorer.slider.value]
    assert explorer.slider.value == explorer.slider.max and len(seen) == 1


def test_every_other_control_moves_the_view_once_too(explorer, seen):
    moves = [
        lambda: setattr(explorer.image, "index", 3),
        lambda: setattr(explorer.picture, "clicked", list(place_of_a_dot(explorer.view))),
        lambda: setattr(explorer.score_name, "value", "ssim"),
        explorer.seal.click,
        lambda: setattr(explorer.part, "value", "calibration"),
        lambda: setattr(explorer.score_name, "value", "l2"),
        lambda: setattr(explorer.score_name, "value", "ssim"),
    ]
    for number, move in enumerate(moves):
        seen.clear()
        move()
        assert len(seen) == 1, number
        assert seen[0]["threshold"] == explorer.box.value
        assert seen[0]["image"] == explorer.image.value is not None


def test_another_score_leaves_the_sliders_range_as_it_is(explorer):
    """In another range the browser would move the slider, and report that as a drag."""
    changed = []
    explorer.slider.observe(lambda change: changed.append(change["name"]))
    explorer.score_name.value = "ssim"
    assert set(changed) <= {"value", "disabled"}
    assert explorer.steps[explorer.slider.value] == explorer.box.value


def test_a_sealed_threshold_comes_back_exactly(explorer):
    value = between_steps(explorer, 0.3)
    type_in(explorer, value)
    explorer.seal.click()
    explorer.score_name.value = "ssim"
    explorer.score_name.value = "l2"
    assert explorer.box.value == value == explorer.sealed["l2"]
    assert explorer.box.disabled and explorer.slider.disabled


def place_of_a_dot(view):
    view.picture()
    dot = len(view.order) - 1, view.scores.values[view.name][view.order[-1]]
    return view.figure.transFigure.inverted().transform(view.scatter.transData.transform(dot))
