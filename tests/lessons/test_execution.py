"""How lessons are executed: on tiny ones that the tests write, in kernels of their own."""

import logging
import os
import re

import nbformat
import pytest
from lesson_files import BARS, write_lesson

from course_ae.command import notebooks, report
from course_ae.experiment import run_folder
from course_ae.support.errors import CourseError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a test writes its lessons."""
    folder = tmp_path / "lezioni {x}"
    monkeypatch.setattr(notebooks, "lessons_folder", lambda: folder)
    return folder


@pytest.fixture
def run(small_data, tmp_path):
    folder = tmp_path / "è una cartella {data}"
    return run_folder.open_run(data=str(small_data), run=str(folder))


def files(run):
    return sorted(path.name for path in (run.folder / "notebooks").iterdir())


def test_lessons_run_in_order_and_make_a_report(folder, run, capfd):
    write_lesson(folder, "01_first", "import os, sys\nprint(run, os.getcwd())", BARS)
    write_lesson(folder, "02_second", "sys = __import__('sys')\nprint(run, file=sys.stderr)")
    before, level = dict(os.environ), logging.getLogger("papermill").level
    notebooks.run_lessons(run, {"run": str(run.folder), "epochs": 3})
    shown = capfd.readouterr()
    assert re.fullmatch(r"01 first \.\.\. \d+ s\n02 second \.\.\. \d+ s\n", shown.out)
    # ZeroMQ now and then complains as a kernel ends; that is not the lessons' doing.
    assert [line for line in shown.err.splitlines() if "signaler.cpp" not in line] == []
    assert (dict(os.environ), logging.getLogger("papermill").level) == (before, level)
    assert files(run) == ["01_first.ipynb", "02_second.ipynb"]
    first = nbformat.read(run.folder / "notebooks/01_first.ipynb", as_version=4)
    printed = [out.text for cell in first.cells[2:] for out in cell.get("outputs", [])]
    assert printed == [f"{run.folder} {run.folder}\n", "100%\n"]  # bars are kept as they ended

    index = report.write_report(run)
    pages = {path.name: path.read_text(encoding="utf-8") for path in index.parent.iterdir()}
    assert set(pages) == {"index.html", "01_first.html", "02_second.html"}
    assert "<title>01 A &lt;small&gt; lesson</title>" in pages["01_first.html"]
    assert 'href="02_second.html"' in pages["01_first.html"]
    assert '<a href="01_first.html">01 A &lt;small&gt; lesson</a>' in pages["index.html"]
    assert str(run.folder) not in pages["02_second.html"] + pages["index.html"]
    assert "epochs" in pages["02_second.html"]  # the parameters in use are shown
    for page in pages.values():
        assert '<html lang="en">' in page and "width=device-width" in page
        assert not re.search(r"<(script|link|img|iframe)\b[^>]*http", page)
        assert not re.search(r"url\(.?http|@import", page)


def test_course_error_of_a_lesson_is_passed_on(folder, run):
    text = "from course_ae.support.errors import CourseError\nraise CourseError('Too few images.')"
    write_lesson(folder, "01_first", text)
    with pytest.raises(CourseError, match=r"^Too few images\.$"):
        notebooks.run_lessons(run, {})
    assert files(run) == []


def test_other_errors_name_lesson_cell_and_what_is_kept(folder, run, capsys):
    write_lesson(folder, "01_first", "1 / 0")
    with pytest.raises(CourseError, match=r"Lesson 01_first failed in cell \[2\] with ZeroDiv"):
        notebooks.run_lessons(run, {})
    assert capsys.readouterr().out == "01 first ... stopped\n"
    assert files(run) == ["01_first.failed.ipynb"]
    write_lesson(folder, "01_first", "1 / 1")
    notebooks.run_lessons(run, {})
    assert files(run) == ["01_first.ipynb"]


def test_end_of_a_lessons_python_is_one_sentence(folder, run, capfd):
    write_lesson(folder, "01_first", "import os\nos._exit(1)")
    with pytest.raises(CourseError, match=r"Lesson 01_first was ended by the system"):
        notebooks.run_lessons(run, {})
    assert capfd.readouterr().err == ""
    assert files(run) == ["01_first.failed.ipynb"]
