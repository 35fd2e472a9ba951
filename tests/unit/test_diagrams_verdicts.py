"""The diagrams of lesson 05 say what the package computes, and all their words can be read."""

import numpy as np
import pytest
from matplotlib.text import Text

from course_ae.classroom import figures
from course_ae.classroom.diagrams import verdicts
from course_ae.thresholds import confusion, count_errors

SCORES, LABELS = np.array([2, 7, 4, 1, 9, 6, 3, 8]), np.array([0, 1, 1, 0, 1, 0, 0, 1])
X = np.full((3, 3), 0.7)
ALL = {
    "pipeline": verdicts.pipeline(X, X - 0.5 * np.eye(3)[1] * np.eye(3)[:, 1:2], 0.01),
    "number line": verdicts.number_line(SCORES, LABELS, 5),
    "search": verdicts.search(SCORES, LABELS),
    "parts": verdicts.parts(25, 58),
}


def words(name):
    return [text.get_text() for text in ALL[name].findobj(Text) if text.get_text()]


@pytest.mark.parametrize("name", ALL)
def test_words_are_large_enough_and_inside_and_do_not_overlap(name):
    figure = ALL[name]
    figures.png(figure)
    assert figure.get_figwidth() <= 9
    boxes = []
    for text in figure.findobj(Text):
        if text.get_text():
            assert text.get_fontsize() >= 9
            box = text.get_window_extent()
            assert figure.bbox.contains(box.x0, box.y0) and figure.bbox.contains(box.x1, box.y1)
            assert not any(box.overlaps(other) for other in boxes), text.get_text()
            boxes.append(box)


def test_the_pipeline_ends_in_the_verdict_of_its_score():
    assert f"{0.25 / 9:.3f}" in words("pipeline") and "defective" in words("pipeline")
    clean = verdicts.pipeline(X, X, 0.01)
    assert {"0.000", "good"} <= {text.get_text() for text in clean.findobj(Text)}


def test_the_number_line_counts_as_the_package_does():
    said = words("number line")
    for name, count in confusion(SCORES, LABELS, 5)._asdict().items():
        assert said.count(name.upper()) == count
        assert any(text.startswith(f"{count} {name.upper()}\n") for text in said)


def test_the_search_shows_the_errors_of_every_candidate():
    _, fp, fn = count_errors(SCORES, LABELS)
    said = words("search")
    first = said.index("errors") + 1
    assert [text for text in said[first:] if text.isdigit()] == [str(n) for n in fp + fn]


def test_the_parts_are_shares_of_the_whole():
    assert {"30%", "70%", "all 83 test images, good and defective"} <= set(words("parts"))
