"""The pictures that the report begins with, as lesson 08 saves them."""

import base64
import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from course_ae.classroom import story
from course_ae.classroom.story import read_story, save_story
from course_ae.support.errors import CourseError

TITLES = ["A good one", "A defective one", "What the network draws", "Where both differ",
          "The threshold"]  # fmt: skip


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory):
    """A finished run in which lesson 08 has saved its story; only to read."""
    run = replace(finished.run, folder=tmp_path_factory.mktemp("story"))
    save_story(run, finished.images, finished.scores, finished.denoiser)
    return run


@pytest.fixture(scope="module")
def told(run):
    return read_story(run)


@pytest.fixture
def empty(finished, tmp_path):
    """A run without a story yet."""
    return replace(finished.run, folder=tmp_path)


def test_five_pictures_each_with_a_title_and_a_caption(told):
    assert [panel["title"] for panel in told] == TITLES
    for panel in told:
        assert panel["caption"].endswith(".")
        with Image.open(io.BytesIO(base64.b64decode(panel["png"], validate=True))) as picture:
            assert picture.format == "PNG" and min(picture.size) > 150


def test_the_shown_defect_is_the_one_with_the_middle_score(finished, told):
    scores = finished.scores
    defects = [
        (scores.values["normalised"][i], i) for i in scores.test if scores.labels[i] == 1
    ]  # fmt: skip
    value, middle = sorted(defects)[len(defects) // 2]
    words = told[1]["caption"]
    assert scores.defect_types[middle].replace("_", " ") in words and "true defect" in words
    is_found = value > finished.summary["scores"]["normalised"]["threshold"]
    assert told[4]["caption"].endswith("lies above it." if is_found else "lies below it.")


def test_without_a_mask_no_line_is_spoken_of(finished, empty, monkeypatch):
    monkeypatch.setattr(story, "load_mask", lambda sample: None)
    save_story(empty, finished.images, finished.scores, finished.denoiser)
    assert "true defect" not in read_story(empty)[1]["caption"]


def test_what_was_not_saved_is_no_story(empty):
    assert read_story(empty) == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"story": [3]}', '{"story": [{"title": "x", "caption": "y"}]}',
     '{"story": null}'],
)  # fmt: skip
def test_a_damaged_story_is_one_sentence_that_names_the_file(content, empty):
    (empty.folder / "story.json").write_text(content, encoding="utf-8")
    with pytest.raises(CourseError, match=r"story\.json' .*; \w+ .*\.$"):
        read_story(empty)


def test_the_file_is_json_that_every_reader_takes(told, run):
    text = (run.folder / "story.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"story": told}
