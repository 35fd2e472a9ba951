"""The diagrams of lessons 06 and 07 say what the package computes, and none loses its words."""

import numpy as np
import pytest
from matplotlib.text import Text

from course_ae import metrics
from course_ae.classroom import diagrams, figures

PICTURE = np.array([[16, 15, 4, 2], [14, 9, 3, 1], [5, 6, 7, 12], [8, 10, 13, 11]], dtype=float)
TRUTH = np.zeros((4, 4), dtype=bool)
TRUTH[:2, :2] = TRUTH[3, 2:] = True


def words(figure):
    return "\n".join(text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize(
    "draw",
    [
        diagrams.certainty.lottery, diagrams.certainty.pairs, diagrams.certainty.resampling,
        diagrams.two_scores.protocol, diagrams.two_scores.design,
        lambda: diagrams.certainty.regions(PICTURE, TRUTH, (12.5, 8.5)),
    ],
)  # fmt: skip
def test_a_diagram_fits_a_page_and_its_words_the_diagram(draw):
    figure = draw()
    assert figure.get_figwidth() <= 9
    figures.png(figure)
    edge = figure.bbox.padded(1)
    for text in figure.findobj(Text):
        box = text.get_window_extent()
        if text.get_text():
            assert edge.x0 <= box.x0 and box.x1 <= edge.x1, text.get_text()
            assert edge.y0 <= box.y0 and box.y1 <= edge.y1, text.get_text()


def test_the_splits_of_the_lottery_differ_in_f():
    said = [line for line in words(diagrams.certainty.lottery()).split("\n") if "F = " in line]
    assert len(set(said)) == 3


def test_the_pairs_are_counted_rightly():
    scores = np.array([*diagrams.certainty.FEW_GOOD, *diagrams.certainty.FEW_DEFECTIVE])
    auroc = metrics.auroc(scores, np.array([0, 0, 0, 1, 1]))
    assert f"AUROC {auroc:.2f}" in words(diagrams.certainty.pairs())


def test_regions_count_what_a_threshold_finds():
    said = words(diagrams.certainty.regions(PICTURE, TRUTH, (9.5,)))
    assert "A: 3 of 4, B: 2 of 2" in said
    assert "PRO 0.875" in said and "false alarms 2 of 10" in said
