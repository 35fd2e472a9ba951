"""The report: its front page, its lessons, and what no page may do, whoever wrote its content."""

import json
import re
import shutil
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_ae.classroom.story import save_story
from course_ae.command import report
from course_ae.support.errors import CourseError

POLICY = re.compile(r'<meta (?=[^>]*"Content-Security-Policy")[^>]*"default-src \'none\'; img-src')
LOADED = re.compile(r"<(script|link|img|iframe)\b[^>]*(src|href)=.?(\w+:)?//|url\(.?http|@import")
EVIL = "<img src=x onerror=alert(1)>"


def lesson(*outputs, text="# 01 A <b>lesson</b>\n\n[next](02_second.ipynb)"):
    cells = [new_markdown_cell(text)]
    cells += [new_code_cell("run()", outputs=[output]) for output in outputs]
    return new_notebook(cells=cells)


def picture(alt="Seen <1>."):
    metadata = {"image/png": {"alt": alt}}
    return new_output("display_data", {"image/png": "aGk="}, metadata=metadata)


@pytest.fixture(scope="module")
def story(finished, tmp_path_factory):
    """The pictures that lesson 08 saves, as text."""
    run = replace(finished.run, folder=tmp_path_factory.mktemp("story"))
    save_story(run, finished.images, finished.scores, finished.denoiser)
    return (run.folder / "story.json").read_text(encoding="utf-8")


@pytest.fixture
def run(finished, story, tmp_path):
    """What the report reads of a finished run, but for its lessons."""
    folder = tmp_path / "run"
    (folder / "notebooks").mkdir(parents=True)
    for name in ("settings.json", "summary.json"):
        shutil.copy(finished.folder / name, folder)
    (folder / "story.json").write_text(story, encoding="utf-8")
    return replace(finished.run, folder=folder)


@pytest.fixture
def executed(run):
    """The run with two executed lessons and one that failed."""
    folder = run.folder / "notebooks"
    nbformat.write(lesson(picture()), folder / "01_first.ipynb")
    nbformat.write(lesson(picture(), text="# 02 Second"), folder / "02_second.ipynb")
    nbformat.write(lesson(text="# Failed"), folder / "03_third.failed.ipynb")
    return run


def front_page(run):
    return report.write_report(run).read_text(encoding="utf-8")


def sentence(run):
    found = re.search(r'<p class="result">(.*?)</p>', front_page(run), re.DOTALL)
    return " ".join(found[1].split())


def change(run, **figures):
    """Changes summary.json; None takes something out of it."""
    path = run.folder / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8")) | figures
    summary = {name: value for name, value in summary.items() if value is not None}
    path.write_text(json.dumps(summary), encoding="utf-8")


def test_the_front_page_goes_from_the_pictures_to_the_sentence_to_the_table(run):
    page = front_page(run)
    places = [page.index(text) for text in ('class="story"', 'class="result"', "<table>", "<dl>")]
    assert places == sorted(places)
    alts = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', page)
    assert len(alts) == 5 and alts[0].startswith("A good one. The network learnt from")
    assert page.count("<figcaption>") == 10


def test_the_sentence_holds_the_numbers_of_the_summary(run, finished):
    said = " ".join(
        re.search(r'<p class="result">(.*?)</p>', front_page(run), re.DOTALL)[1].split()
    )
    found = finished.summary["scores"]["normalised"]
    test = found["test"]
    mean, pca = (finished.summary["baselines"][of]["normalised"] for of in ("mean_image", "pca"))
    assert said.startswith("With lesson 08&#39;s score, ")
    assert f"{test['tp']} of {test['tp'] + test['fn']} defects" in said
    assert f"{test['fp']} of {test['fp'] + test['tn']} good ones" in said
    assert f"AUROC {found['auroc']['value']:.3f}; comparing" in said
    assert f"reaches {mean['auroc']['value']:.3f}, and PCA" in said
    assert f"the best linear autoencoder, {pca['auroc']['value']:.3f}." in said
    assert f"AU-PRO {found['pixel']['au_pro']:.3f}, of 1." in said


def test_without_masks_and_lesson_08_the_sentence_says_what_there_is(run, finished):
    l2 = finished.summary["scores"]["l2"] | {"pixel": None}
    change(run, scores={"l2": l2})
    said = sentence(run)
    assert "the slides&#39; L2 score" in said and "AU-PRO" not in said


def test_the_front_page_tells_settings_counts_and_training(run, finished):
    page = front_page(run)
    facts, counts = finished.summary["training"], finished.summary["counts"]
    assert f"Profile quick,\nseed {run.settings.seed}, on " in page
    assert f"{counts['train']} good to train ({counts['train_augmented']} with flips)" in page
    assert f"{finished.summary['parameters']:,} parameters" in page
    assert f"weights of epoch {facts['best_epoch']}" in page
    assert f"{facts['train_loss']:.4f} in training" in page
    assert f"would have {facts['mean_image_loss']:.4f}, PCA {facts['pca_loss']:.4f}</dd>" in page
    assert "Images drawn by the course; profile quick" in front_page(replace(run, drawn=True))


def test_the_table_has_a_row_for_each_opponent(run):
    rows = re.findall(r"<tr>\s*<t[hd][^>]*>([^<]+)<", front_page(run))
    names = [f"{of}, {score}" for of in ("mean image", "PCA")
             for score in ("L2", "SSIM", "normalised")]  # fmt: skip
    start = rows.index("all called normal") + 1
    assert rows[start : start + 6] == names


def test_a_run_from_before_pca_has_its_report_without_it(run, finished):
    baselines, training = (dict(finished.summary[of]) for of in ("baselines", "training"))
    del baselines["pca"], training["pca_loss"]
    change(run, baselines=baselines, training=training)
    assert not re.search("PCA[ ,]", front_page(run))  # but "PCA:" in the note
    mean = baselines["mean_image"]["normalised"]["auroc"]["value"]
    assert f"reaches {mean:.3f}." in sentence(run)


def test_an_output_that_is_always_the_same_is_told(run, finished):
    change(run, training=finished.summary["training"] | {"nearest_own_image": 0.1})
    page = front_page(run)
    assert "10 %\nare nearest to their own image" in page
    assert "it hardly tells the images apart" in page


def test_every_executed_lesson_has_a_page_and_a_link(executed):
    page = front_page(executed)
    names = {path.name for path in (executed.folder / "report").iterdir()}
    assert names == {"index.html", "01_first.html", "02_second.html"}
    assert '<a href="01_first.html">01 A &lt;b&gt;lesson&lt;/b&gt;</a>' in page
    assert '<a href="02_second.html">02 Second</a>' in page
    for path in (executed.folder / "report").iterdir():
        text = path.read_text(encoding="utf-8")
        assert len(POLICY.findall(text)) == 1 and not LOADED.search(text)
        assert "script-src" not in text and "<script" not in text
        assert '<html lang="en">' in text and "width=device-width" in text
        assert str(executed.folder) not in text


def test_an_unfinished_run_has_a_report_all_the_same(executed):
    (executed.folder / "story.json").unlink()
    change(executed, baselines=None)
    page = front_page(executed)
    assert "Result" not in page and 'class="story"' not in page and "01_first.html" in page
    (executed.folder / "summary.json").unlink()
    assert front_page(executed) == page


@pytest.mark.parametrize(
    "figures",
    [{"counts": None}, {"training": None}, {"parameters": "many"}, {"counts": {"train": 3}},
     {"training": 3}, {"scores": {}}, {"scores": None}, {"baselines": {}}, {"baselines": 3}],
)  # fmt: skip
def test_a_damaged_summary_is_one_sentence_that_names_it(figures, run):
    change(run, **figures)
    with pytest.raises(CourseError, match=r"summary\.json' lacks figures or was changed"):
        report.write_report(run)


@pytest.mark.parametrize("ours", ["result_table", "render"])
def test_an_error_of_ours_is_not_put_down_to_the_users_file(ours, run, monkeypatch):
    def broken(*args, **kwargs):
        raise KeyError("ours")

    monkeypatch.setattr(report, ours, broken)
    with pytest.raises(KeyError, match="ours"):
        report.write_report(run)


@pytest.mark.parametrize("content", ["", "x", "[]", "{}", '{"nbformat": 4, "nbformat_minor": 5}'])
def test_a_damaged_lesson_is_one_sentence(content, run, capfd):
    (run.folder / "notebooks/02_second.ipynb").write_text(content, encoding="utf-8")
    with pytest.raises(CourseError, match=r"02_second\.ipynb' cannot be read"):
        report.write_report(run)
    assert capfd.readouterr().err == ""


def test_names_that_are_markup_are_only_names(run):
    spoilt = replace(run, settings=replace(run.settings, category=EVIL))
    told = [{"title": EVIL, "caption": '">' + EVIL, "png": '">' + EVIL}]
    (run.folder / "story.json").write_text(json.dumps({"story": told}), encoding="utf-8")
    path = run.folder / "settings.json"
    path.write_text(json.dumps({"device": EVIL}), encoding="utf-8")
    nbformat.write(lesson(text=f"# {EVIL}"), run.folder / "notebooks/01_first.ipynb")
    page = front_page(spoilt)
    assert "<img src=x" not in page and page.count("&lt;img src=x") >= 6


def test_a_lesson_links_to_pages_and_has_texts_for_its_pictures():
    page = report.lesson_page(lesson(picture()), "01_first")
    assert 'href="02_second.html"' in page
    assert 'alt="Seen &lt;1&gt;."' in page and "<title>01 A &lt;b&gt;lesson" in page
    assert 'alt=""' in report.lesson_page(lesson(picture(alt=None)), "01_first")


def test_a_lesson_without_a_heading_is_called_after_its_file():
    assert report.lesson_title(lesson(text="words"), "01_first") == "01_first"


def test_a_lesson_names_no_folder_of_this_machine():
    cell = new_code_cell('# Parameters\ndata = "/home/me/x"\nrun = "/home/me/y"\nepochs = 3')
    cell.metadata.tags = ["injected-parameters"]
    warning = new_output("stream", name="stderr", text="/home/me/z.py: a warning")
    notebook = lesson(warning, new_output("stream", name="stdout", text="said"))
    notebook.cells.insert(1, cell)
    page = report.lesson_page(notebook, "01_first")
    assert "/home/me" not in page and "said" in page and "epochs" in page
    assert "/home/me/x" in cell.source  # a copy was changed


def test_no_output_of_a_lesson_leads_to_another_address():
    lead = '<META http-equiv="refresh" content="0;url=https://evil.invalid/">'
    notebook = lesson(new_output("display_data", {"text/html": lead}), text=f"# A\n\n{lead}")
    body = report.lesson_page(notebook, "01_first").partition("</head>")[2]
    assert "<meta" not in body.lower() and body.lower().count("&lt;meta") == 2


def test_templates_in_the_working_folder_are_not_taken(tmp_path, monkeypatch):
    for name in ("lesson.html.j2", "parts.html.j2", "lab/index.html.j2", "lab/base.html.j2"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("a stranger's", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "a stranger's" not in report.lesson_page(lesson(picture()), "01_first")


def test_a_sweep_shows_means_marks_and_what_failed(tmp_path):
    row = {"category": "bottle", "loss": "l2", "status": "done", "auroc_l2": 0.8}
    means = [("category", "AUROC l2"), (EVIL, "0.800")]
    report.write_sweep(tmp_path / "sweep.html", [row], means, [f"bottle FAILED: {EVIL}"])
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert POLICY.search(page) and "data:image/png" in page and ">0.800</td>" in page
    assert "<img src=x" not in page and page.count("&lt;img src=x") == 2
    report.write_sweep(tmp_path / "sweep.html", [row | {"status": "failed"}], means[:1], [])
    page = (tmp_path / "sweep.html").read_text(encoding="utf-8")
    assert "<img" not in page and "Failed" not in page
