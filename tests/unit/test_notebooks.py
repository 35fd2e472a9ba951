"""The lessons as files: a student's copy, still outputs, parameters, and the bars on a terminal."""

import io
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_ae.classroom.browser import WIDGET
from course_ae.command import notebooks
from course_ae.command.cli import main
from course_ae.command.stills import still
from course_ae.support.errors import CourseError

EXPLORER = new_output(
    "execute_result",
    {WIDGET: {"model_id": "x"}, "image/png": "aGk=", "text/plain": "Seen <1>."},
    metadata={"image/png": {"alt": "Seen <1>."}},
)
QUIZ = new_output("execute_result", {WIDGET: {"model_id": "y"}, "text/markdown": "**1. Why?**"})
BAR = new_output("display_data", {WIDGET: {"model_id": "z"}, "text/plain": "bar"})


def notebook(*outputs):
    cells = [new_markdown_cell("# 01 A <b>lesson</b>\n\n[next](02_preprocessing.ipynb)")]
    cells[0].metadata["slideshow"] = {"slide_type": "slide"}
    for output in outputs:
        cells.append(new_code_cell("run()", outputs=[output], metadata={"tags": ["hide-input"]}))
    return new_notebook(cells=cells)


def test_an_explorer_becomes_a_picture_with_its_caption_and_a_quiz_a_list():
    before = notebook(EXPLORER, QUIZ, BAR)
    after = still(before)
    picture, caption = after.cells[1].outputs
    assert picture.data["image/png"] == "aGk=" and picture.metadata["image/png"]["alt"]
    assert caption.data["text/markdown"] == "**Figure.** Seen &lt;1&gt;."
    assert after.cells[2].outputs[0].data["text/markdown"] == "**1. Why?**"
    assert after.cells[3].outputs == []
    assert before.cells[1].outputs == [EXPLORER]  # a copy was changed
    assert still(after) == after


def test_a_students_lessons_have_no_outputs_and_no_solutions(tmp_path, capsys):
    folder = tmp_path / "le mie lezioni"
    assert main(["start", str(folder)]) == 0
    assert "8 lessons copied" in capsys.readouterr().out
    for name in notebooks.PAGES:
        ours = (notebooks.lessons_folder() / name).read_bytes()
        assert (folder / name).read_bytes() == ours
    for path in notebooks.lessons():
        ours = nbformat.read(path, as_version=4)
        theirs = nbformat.read(folder / path.name, as_version=4)
        solutions = sum("solution" in c.metadata.get("tags", []) for c in ours.cells)
        assert solutions >= 2
        assert len(theirs.cells) == len(ours.cells) - solutions
        code = [cell for cell in theirs.cells if cell.cell_type == "code"]
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
        assert not any("solution" in cell.metadata.get("tags", []) for cell in theirs.cells)


def test_a_second_start_overwrites_nothing_and_adds_what_is_missing(tmp_path, capsys):
    folder = tmp_path / "mine"
    main(["start", str(folder)])
    first, second, *_, page, other = sorted(folder.iterdir())
    for path in (first, page):
        path.write_text("my work", encoding="utf-8")
    for path in (second, other):
        path.unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert main(["start", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "1 lesson copied" in out and first.name in out and page.name in out
    assert f'jupyter lab "{first}"' in out
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name in before} == before
    assert second.is_file() and other.is_file()


def test_start_refuses_the_lessons_own_folder_and_a_file(tmp_path, capsys):
    before = {path: path.read_bytes() for path in notebooks.lessons()}
    assert main(["start", str(notebooks.lessons_folder())]) == 2
    assert "choose a folder of your own" in capsys.readouterr().err
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    assert main(["start", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert {path: path.read_bytes() for path in notebooks.lessons()} == before


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a test writes its lessons."""
    folder = tmp_path / "lezioni {x}"
    monkeypatch.setattr(notebooks, "lessons_folder", lambda: folder)
    return folder


def test_no_lessons_is_one_sentence(folder):
    with pytest.raises(CourseError, match=r"no lessons in .*lezioni"):
        notebooks.lessons()


def test_terminal_sees_bars_and_nothing_else(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "30")
    progress = notebooks.Progress("04 training")
    progress.write("data: 12 images\n")
    progress.write("\r 5% of a bar\r10% " + "of a very long bar" * 9)
    progress.write("\r100%\nStopped after epoch 3\n")
    progress.end("7 s")
    lines = [line.rstrip() for line in terminal.getvalue().split("\r")]
    assert lines == [
        "04 training ...",
        "04 10% of a very long barof a",
        "04 100%",
        "04 training ... 7 s",
    ]
