"""The front page of a report tells the run's own numbers, in pictures with texts."""

import re

import pytest

from course_ae.classroom.story import panels, story, told
from course_ae.command import report
from course_ae.experiment import evaluation, run_folder
from course_ae.experiment.stages import prepare
from course_ae.support.errors import CourseError

SMALL = {"epochs": 1, "width": 0.05, "bottleneck": 8, "batch_size": 4}


@pytest.fixture(scope="module")
def run(small_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("story") / "run"
    run = run_folder.open_run(data=str(small_data), run=str(folder), **SMALL)
    evaluation.evaluate_all(run)
    return run


def test_five_pictures_each_with_a_title_a_caption_and_a_text(run):
    page = story(run)
    titles = ["A good one", "A defective one", "What the network draws", "Where both differ",
              "The threshold"]  # fmt: skip
    assert re.findall(r"<b>([^<]+)</b></figcaption>", page) == titles
    alts = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', page)
    assert [alt.split(".")[0] for alt in alts] == titles
    assert page.count("</figcaption>") == 2 * len(titles)


def test_the_shown_defect_is_the_one_with_the_middle_score(run):
    summary = run_folder.read_summary(run)
    words = panels(run, summary)[1].caption
    scores = [row for row in run_folder.read_csv(run.folder / "scores.csv")
              if row["split"] == "test" and row["label"] == "1"]  # fmt: skip
    middle = sorted(scores, key=lambda row: float(row["best"]))[len(scores) // 2]
    assert middle["defect"].replace("_", " ") in words


def test_the_sentence_holds_the_numbers_of_the_summary(run):
    summary = run_folder.read_summary(run)
    found = summary["scores"]["normalised"]
    said = told(summary)
    test = found["test"]
    assert f"{test['tp']} of {test['tp'] + test['fn']} defects" in said
    assert f"{test['fp']} of {test['fp'] + test['tn']} good ones" in said
    assert f"AUROC {found['auroc']:.3f}" in said
    assert f"{summary['baselines']['mean_image_normalised']['auroc']:.3f}" in said
    assert f"AU-PRO {summary['metrics']['pixel']['best']['au_pro']:.3f}" in said


def test_the_report_begins_with_the_story(run):
    page = report.write_report(run).read_text(encoding="utf-8")
    assert 0 < page.index('class="story"') < page.index("<table>")
    assert not re.search(r'(src|href)="(https?:)?//', page)


def test_an_unfinished_run_has_no_story_and_a_report_all_the_same(small_data, tmp_path):
    run = run_folder.open_run(data=str(small_data), run=str(tmp_path / "run"), **SMALL)
    prepare(run)
    assert story(run) == ""
    assert 'class="story"' not in report.write_report(run).read_text(encoding="utf-8")


def test_without_masks_nothing_is_said_of_places(odd_data, tmp_path):
    run = run_folder.open_run(
        data=str(odd_data), category="plank", run=str(tmp_path / "run"), **SMALL
    )
    evaluation.evaluate_all(run)
    page = story(run)
    assert "AU-PRO" not in page and "true defect" not in page


def test_a_damaged_network_is_one_sentence(run, tmp_path):
    path = run.folder / "denoiser.pt"
    before = path.read_bytes()
    path.write_bytes(b"x")
    with pytest.raises(CourseError, match="no model of this run"):
        story(run)
    path.write_bytes(before)
