"""The committed lessons as slides."""

import re

import pytest
from lesson_files import LESSONS, code_cells, read, tags

from course_ae.command import formulas, slides
from course_ae.command.cli import main


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    slides.write_slides(folder)
    return folder


def test_the_slides_load_nothing_and_name_no_folder(exported):
    names = [f"{path.stem}.html" for path in LESSONS]
    assert sorted(path.name for path in exported.iterdir()) == sorted([*names, "index.html"])
    for name in names:
        text = (exported / name).read_text(encoding="utf-8")
        assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=.?(https?:)?//", text)
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", text)
        assert "Reveal.initialize" in text and "</html>" in text
        assert not re.search(r"(?<![\w.])/(home|root|tmp|Users|work)/", text)
        pictures = re.findall(r"<img [^>]+>", text)
        assert pictures and all(re.search(r'alt="[^"]', picture) for picture in pictures)
        assert f'href="{names[(names.index(name) + 1) % 8]}"' in text or name == names[-1]
        assert name in (exported / "index.html").read_text(encoding="utf-8")


def test_every_cell_says_what_becomes_of_it_on_the_slides():
    for path in LESSONS:
        cells = read(path).cells
        kinds = [cell.metadata["slideshow"]["slide_type"] for cell in cells]
        assert set(kinds) <= {"slide", "subslide", "fragment", "-", "skip", "notes"}
        assert kinds[0] == "slide" and kinds.count("slide") >= 5
        folded = ["hide-input" in tags(cell) for cell in code_cells(path)]
        assert any(folded) and not all(folded)


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_formula_of_the_lessons_is_typeset(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            html = formulas.markdown({}, cell.source)
            assert "$" not in re.sub(r"<(pre|code)\b.*?</\1>", "", html, flags=re.DOTALL), (
                cell.source
            )


def test_slides_of_a_run_without_executed_lessons_are_one_sentence(tmp_path, capsys):
    assert main(["slides", str(tmp_path / "out"), "--run", str(tmp_path)]) == 2
    shown = capsys.readouterr().err
    assert "no executed lessons" in shown and shown.count("\n") == 1
    assert not (tmp_path / "out").exists()
