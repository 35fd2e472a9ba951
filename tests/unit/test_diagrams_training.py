"""Lesson 04's diagrams: they draw, fit a page, and say what the code does."""

import numpy as np
import pytest
from matplotlib.text import Text

from course_ae.classroom import diagrams, figures
from course_ae.classroom.function_answers.lesson_04 import curves, stopping

PLAYED = [0.5, 0.4, 0.6, 0.3, 0.35, 0.34, 0.2]
DRAWN = {
    "window": diagrams.similarity.window,
    "loop": diagrams.training.loop,
    "patience": lambda: diagrams.training.patience(PLAYED, 2, *stopping(PLAYED, 2)),
    "faint": lambda: diagrams.training.faint(
        {contrast: np.full((8, 8), contrast) for contrast in (0.4, 0.2, 0.1)},
        {"ssim": [1.0, 3.0, 20.0], "l2": [1.0, 1.0, 1.0]},
    ),
}


@pytest.mark.parametrize("name", list(DRAWN))
def test_a_diagram_fits_a_page_and_can_be_read(name):
    figure = DRAWN[name]()
    figures.png(figure)
    assert figure.get_size_inches()[0] <= 9
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert texts and all(text.get_fontsize() >= 9 for text in texts)


@pytest.mark.parametrize("case", curves())
def test_patience_says_how_long_it_waited_at_each_epoch(case):
    losses, patience = case
    stopped, best = stopping(losses, patience)
    (axes,) = diagrams.training.patience(losses, patience, stopped, best).axes
    said = [text.get_text() for text in axes.texts]
    assert len(said) == stopped
    assert said[best - 1] == "best" and said[best:] == [
        f"waits {n}" for n in range(1, stopped - best + 1)
    ]
    labels = axes.get_legend_handles_labels()[1]
    assert (f"stops: waited {patience}" in labels) is (stopped - best == patience)
