"""The threshold explorer: one change, one new picture, and no control argues with another."""

import numpy as np
import pytest
import torch
from ipywidgets import FloatSlider

from course_ae.classroom.widgets.threshold import ThresholdExplorer, ThresholdView
from course_ae.scoring import Scores
from course_ae.thresholds import split_test


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


def step_of(slider, value):
    return int(np.floor((value - slider.min) / slider.step + 0.5))


def move_to_step(slider, step):
    slider.set_state({"value": slider.min + step * slider.step})  # as a message from the browser


def rounds_in_the_browser(slider):
    """The browser puts the slider at a whole step, and reports that as it reports a drag."""
    slider.observe(lambda change: move_to_step(slider, step_of(slider, change["new"])), "value")


def drag(slider, steps):
    move_to_step(slider, step_of(slider, slider.value) + steps)


def between_steps(explorer, share, steps=30):
    """A threshold that many steps above the slider and a share of one more."""
    return explorer.slider.value + (steps + share) * explorer.slider.step


def test_a_drag_sets_the_threshold_to_the_sliders_value_once(explorer, seen):
    rounds_in_the_browser(explorer.slider)
    for steps in (7, -1, 1, -20):
        before = explorer.slider.value
        drag(explorer.slider, steps)
        value = explorer.slider.value
        assert explorer.box.value == value == pytest.approx(before + steps * explorer.slider.step)
        assert seen.pop()["threshold"] == value and not seen
        assert f"Threshold {value:.5f}" in explorer.sentence.value


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.8])
def test_what_is_typed_is_the_threshold_exactly_and_once(explorer, seen, share):
    rounds_in_the_browser(explorer.slider)
    value = between_steps(explorer, share)
    explorer.box.set_state({"value": value})
    assert explorer.box.value == value
    assert seen.pop()["threshold"] == value and not seen
    assert abs(explorer.slider.value - value) <= 0.5001 * explorer.slider.step


@pytest.mark.parametrize("first", [1, -1])
@pytest.mark.parametrize("share", [0.2, 0.5])
def test_the_slider_moves_on_from_where_it_followed_what_was_typed(explorer, seen, share, first):
    rounds_in_the_browser(explorer.slider)
    explorer.box.set_state({"value": between_steps(explorer, share)})
    seen.clear()
    for steps in (first, -first, -first, first):  # an arrow key each
        drag(explorer.slider, steps)
        assert explorer.box.value == explorer.slider.value
        assert seen.pop()["threshold"] == explorer.slider.value and not seen


def test_a_number_outside_is_clipped_for_both(explorer, seen):
    rounds_in_the_browser(explorer.slider)
    explorer.box.set_state({"value": 1e6})
    assert explorer.box.value == explorer.box.max == pytest.approx(explorer.slider.value)
    assert len(seen) == 1


def test_every_other_control_moves_the_view_once_too(explorer, seen):
    rounds_in_the_browser(explorer.slider)
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


def test_another_score_reaches_the_browser_in_one_message(explorer, monkeypatch):
    """A new value in an old range would be moved there, and reported as if it had been dragged."""
    sent = []
    monkeypatch.setattr(FloatSlider, "send_state", lambda slider, key=None: sent.append(key))
    explorer.score_name.value = "ssim"
    assert [set(key) for key in sent] == [{"min", "max", "step", "value"}]


def place_of_a_dot(view):
    view.picture()
    dot = len(view.order) - 1, view.scores.values[view.name][view.order[-1]]
    return view.figure.transFigure.inverted().transform(view.scatter.transData.transform(dot))
