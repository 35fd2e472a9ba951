"""A student's copy, still outputs and slides; also from a wheel."""

import os
import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_ae import lessons, slides
from course_ae.cli import main
from course_ae.config import CourseError
from course_ae.lessons import WIDGET, for_students, still

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
    assert caption.data["text/markdown"] == "**Figure.** Seen <1>."
    assert after.cells[2].outputs[0].data["text/markdown"] == "**1. Why?**"
    assert after.cells[3].outputs == []
    assert before.cells[1].outputs == [EXPLORER]  # a copy was changed
    assert still(after) == after


def test_a_students_lessons_have_no_outputs_and_no_solutions(tmp_path, capsys):
    folder = tmp_path / "le mie lezioni"
    assert main(["start", str(folder)]) == 0
    assert "7 lessons copied" in capsys.readouterr().out
    for path in lessons.lessons():
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
    first, second, *_ = sorted(folder.iterdir())
    first.write_text("my work", encoding="utf-8")
    second.unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    assert main(["start", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "1 lesson copied" in out and first.name in out
    assert {p.name: p.read_bytes() for p in folder.iterdir() if p.name in before} == before
    assert second.is_file()


def test_start_refuses_the_lessons_own_folder_and_a_file(tmp_path, capsys):
    before = {path: path.read_bytes() for path in lessons.lessons()}
    assert main(["start", str(lessons.lessons_folder())]) == 2
    assert "choose a folder of your own" in capsys.readouterr().err
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    assert main(["start", str(file)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert {path: path.read_bytes() for path in lessons.lessons()} == before


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    slides.write_slides(folder)
    return folder


def test_the_slides_load_nothing_and_name_no_folder(exported):
    names = [f"{path.stem}.html" for path in lessons.lessons()]
    assert sorted(path.name for path in exported.iterdir()) == sorted([*names, "index.html"])
    for name in names:
        text = (exported / name).read_text(encoding="utf-8")
        assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.?(https?:)?//", text)
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", text)
        assert "Reveal.initialize" in text and "</html>" in text
        assert not re.search(r"(?<![\w.])/(home|root|tmp|Users|work)/", text)
        pictures = re.findall(r"<img [^>]+>", text)
        assert pictures and all(re.search(r'alt="[^"]', picture) for picture in pictures)
        assert f'href="{names[(names.index(name) + 1) % 7]}"' in text or name == names[-1]
        assert name in (exported / "index.html").read_text(encoding="utf-8")


def test_every_cell_says_what_becomes_of_it_on_the_slides():
    for path in lessons.lessons():
        cells = nbformat.read(path, as_version=4).cells
        kinds = [cell.metadata["slideshow"]["slide_type"] for cell in cells]
        assert set(kinds) <= {"slide", "subslide", "fragment", "-", "skip", "notes"}
        assert kinds[0] == "slide" and kinds.count("slide") >= 5
        code = [cell for cell in cells if cell.cell_type == "code"]
        folded = [slides.FOLDED in cell.metadata.get("tags", []) for cell in code]
        assert any(folded) and not all(folded)


def test_markup_in_a_lesson_stays_text_on_the_slides():
    page = slides.slides_page(notebook(EXPLORER), "01_first")
    assert 'alt="Seen &lt;1&gt;."' in page
    assert "<details><summary>code</summary>" in page


def test_slides_of_what_was_not_executed_are_refused(tmp_path, capsys):
    with pytest.raises(CourseError, match=r"Lesson 01_first has no outputs"):
        slides.slides_page(for_students(notebook(EXPLORER)), "01_first")
    assert main(["slides", str(tmp_path / "out"), "--run", str(tmp_path)]) == 2
    assert "no executed lessons" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_from_a_wheel_in_an_empty_environment_the_lessons_come_along(tmp_path):
    """Unpacked and put first on the path; the dependencies are those of this environment."""
    root = lessons.lessons_folder().parent
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir"]
    subprocess.run([*command, str(tmp_path), str(root)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    where = "import course_ae; print(course_ae.__file__)"
    for code, words in ((where, str(tmp_path)), (None, "7 lessons copied"), (None, "Slides: ")):
        arguments = ["start", "mine"] if "copied" in words else ["slides", "slides"]
        tail = ["-c", code] if code else ["-m", "course_ae", *arguments]
        done = subprocess.run([sys.executable, *tail], env=environment, cwd=tmp_path,
                              capture_output=True, text=True, encoding="utf-8")  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert words in done.stdout
    assert len(list((tmp_path / "mine").glob("*.ipynb"))) == 7
    assert len(list((tmp_path / "slides").glob("*.html"))) == 8
