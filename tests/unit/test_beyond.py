"""Lesson 08: its diagrams, its stain of one's own, and where a network beats memory."""

import numpy as np
import pytest
import torch

from course_ae import metrics
from course_ae.classroom import diagrams, figures
from course_ae.classroom.exercises import verdict
from course_ae.experiment import ablation, recorded

RNG = np.random.default_rng(0)
DRAWN = {
    "sealed": (),
    "two_maps": (np.full((6, 6), 4.0), RNG.random((6, 6))),
    "scales": (RNG.random((32, 32)),),
    "denoising": (),
    "bridges": (),
    "two_pictures": (),
    "four_folds": (4,),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_diagram_is_readable_and_no_word_leaves_it(name):
    figure = getattr(diagrams.beyond, name)(*DRAWN[name])
    figures.png(figure)
    assert figure.get_size_inches()[0] <= 9
    renderer = figure.canvas.get_renderer()
    words = [text for text in figure.axes[0].texts if text.get_text()]
    whole = figure.bbox
    for text in words:
        box = text.get_window_extent(renderer)
        assert (
            whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 <= box.y1 <= whole.y1
        )
        assert text.get_fontsize() >= 8


def dirt(x):
    """A stain as a student may write it, whose faintest edge is not marked."""
    cover = torch.linspace(-0.5, 0.9, x.shape[-1]).clamp(min=0)
    stained = (1 - cover) * x + cover * 0.5
    return stained, (stained - x).abs()[:, 0] > 0.02


def dot(x):
    """The lesson's dark dot, at a place in the middle of its images."""
    rows, columns = torch.arange(x.shape[2])[:, None], torch.arange(x.shape[3])
    cover = torch.sigmoid(9 - ((rows - 113) ** 2 + (columns - 113) ** 2).sqrt())
    stained = (1 - cover) * x + cover * 0.05
    return stained, (stained - x).abs()[:, 0] > 0.02


@pytest.mark.parametrize("stain", [dirt, dot, lambda x: (1 - x, (2 * x - 1)[:, 0] != 0)])
def test_any_stain_that_keeps_its_promises_is_right(stain):
    assert verdict("8.3", stain) == "right."


@pytest.mark.parametrize(
    ("stain", "word"),
    [
        (lambda x: x / 2, "two things"),
        (lambda x: (x / 2, (x > 0).squeeze(1).float()), "True and False"),
        (lambda x: (x.mul_(0.5), (x > 0).squeeze(1)), "clean ones are lost"),
        (lambda x: (x - 1, (x > -1).squeeze(1)), "clamp"),
        (lambda x: (x / 2, (x >= 0).squeeze(1)), "disagree"),
        (lambda x: (x.clone(), (x < 0).squeeze(1)), "at least nine"),
    ],
)
def test_a_broken_promise_is_named(stain, word):
    assert word in verdict("8.3", stain)


def test_memory_and_network_stand_side_by_side_for_drawn_and_real_products():
    rows = recorded.against_memory()
    assert {"drawn bottle", "real bottle", "real transistor"} <= {row["product"] for row in rows}
    for row in rows:
        assert row["runs"] >= 1
        for measure in ("AUROC", "AU-PRO"):
            for name in ("mean image", "PCA", "network"):
                assert 0 < row[f"{measure}, {name}"] <= 1
        assert 0 < row["slides, L2"] <= 1 and 0 < row["slides, SSIM"] <= 1


def test_peaks_enlarged_places_and_marks_are_drawn_and_so_is_memory_beside_the_network():
    images = RNG.random((2, 60, 80))
    masks = np.zeros((2, 60, 80), dtype=bool)
    masks[0, 2:5, 70:79] = True  # near a corner; the other one is empty
    drawn = (
        figures.peaks(images[0], {"L2 map": images[1], "z map": np.zeros((60, 80))}, masks[0]),
        figures.enlarged({"shown": images, "clean": images}, masks, reach=10),
        figures.marked(images, images, masks),
        figures.against_memory(recorded.against_memory()),
    )
    for figure in drawn:
        assert figures.png(figure)


def test_a_lead_is_the_difference_of_two_auroc_and_lies_in_its_interval():
    labels = np.repeat([0, 1], 20)
    good, blind = labels + RNG.normal(0, 0.1, 40), RNG.random(40)
    found = ablation.lead(good, blind, labels)
    assert found["value"] == metrics.auroc(good, labels) - metrics.auroc(blind, labels)
    assert 0 < found["low"] <= found["value"] <= found["high"]
    assert ablation.lead(good, good, labels) == {"value": 0, "low": 0, "high": 0}
