"""Executed lessons as slides."""

import base64
import hashlib
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_ae.command import slides
from course_ae.support.errors import CourseError

PICTURE = new_output(
    "display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": "Seen <1>."}}
)


def lesson(*outputs, title="01 A <b>lesson</b>"):
    first = new_markdown_cell(f"# {title}\n\n[next](02_second.ipynb)")
    first.metadata["slideshow"] = {"slide_type": "slide"}
    run = new_code_cell("run()", outputs=list(outputs), metadata={"tags": ["hide-input"]})
    shown = new_code_cell("shown()", outputs=list(outputs))
    return new_notebook(cells=[first, run, shown])


@pytest.fixture
def run(tmp_path):
    """A run folder with two executed lessons."""
    folder = tmp_path / "run" / "notebooks"
    folder.mkdir(parents=True)
    for name in ("01_first", "02_second"):
        nbformat.write(lesson(PICTURE, title=f"{name} <i>"), folder / f"{name}.ipynb")
    return tmp_path / "run"


def test_the_one_script_is_the_one_that_the_policy_allows():
    page = slides.slides_page(lesson(PICTURE), "01_first")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert "Reveal.initialize(" in script and page.count("<script") == 1
    sha256 = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (tag,) = re.findall(r'<meta [^>]*"Content-Security-Policy"[^>]*>', page)
    policy = re.search(r'content="([^"]+)"', tag)[1]
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert policy.endswith(f"; script-src 'sha256-{sha256}'")


def test_nothing_is_loaded_and_the_page_is_whole():
    page = slides.slides_page(lesson(PICTURE), "01_first")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.?(https?:)?//", page)
    assert not re.search(r"url\(['\"]?(https?:)?//|@import", page)
    assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
    assert 'href="02_second.html"' in page


def test_markup_stays_text_and_pictures_have_theirs():
    page = slides.slides_page(lesson(PICTURE), "01_first")
    assert "<title>01 A &lt;b&gt;lesson&lt;/b&gt;</title>" in page
    assert page.count('alt="Seen &lt;1&gt;."') == 2
    assert page.count("<details><summary>code</summary>") == 1


def test_no_output_leads_to_another_address():
    lead = '<Meta http-equiv="refresh" content="0;url=https://evil.invalid/">'
    page = slides.slides_page(lesson(new_output("display_data", {"text/html": lead})), "01_first")
    assert "<meta" not in page.partition("</head>")[2].lower()


def test_lessons_of_a_run_and_a_list_of_them_are_written(run, tmp_path):
    index = slides.write_slides(tmp_path / "out", run)
    assert {path.name for path in index.parent.iterdir()} == {
        "index.html", "01_first.html", "02_second.html",
    }  # fmt: skip
    page = index.read_text(encoding="utf-8")
    assert '<a href="01_first.html">01_first &lt;i&gt;</a>' in page and "default-src 'none'" in page


def test_what_was_not_executed_is_refused_and_nothing_written(run, tmp_path):
    nbformat.write(lesson(), run / "notebooks" / "02_second.ipynb")
    with pytest.raises(CourseError, match=r"Lesson 02_second has no outputs"):
        slides.write_slides(tmp_path / "out", run)
    (run / "notebooks" / "02_second.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(CourseError, match=r"02_second\.ipynb' cannot be read"):
        slides.write_slides(tmp_path / "out", run)
    with pytest.raises(CourseError, match="no executed lessons"):
        slides.write_slides(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()
