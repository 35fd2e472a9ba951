"""The form of the lessons: how each begins and ends, its cells, its words, its outputs."""

import ast
import re

import papermill
import pytest
from common_cells import with_common_cells
from lesson_files import COMPARED, LESSONS, code_cells, each_lesson, read, tags

LAST_HEADINGS = [
    "## The answer", "## You now can", "## Three questions", "## Exercises", "## Further reading",
]  # fmt: skip


def test_there_are_eight_lessons_numbered_in_order():
    assert [path.name[:2] for path in LESSONS] == [f"0{number}" for number in range(1, 9)]


@each_lesson
def test_a_lesson_opens_with_its_question_and_closes_with_what_was_learnt(path):
    cells = read(path).cells
    first = cells[0].source
    (last,) = [cell.source for cell in cells if cell.source.startswith("## You now can")]
    assert first.startswith(f"# {path.name[:2]} ")
    for part in ("**The question:", "You will", "Before this:", "Reading", "running"):
        assert part in first
    promised = re.findall(r"^- \*\*(.+?)\*\*", first, re.MULTILINE)
    kept = re.findall(r"^- \*\*(.+?)\*\*", last, re.MULTILINE)
    assert len(promised) == 3
    assert kept == promised
    headings = [cell.source.splitlines()[0] for cell in cells if cell.source.startswith("## ")]
    assert headings[-5:] == LAST_HEADINGS


@each_lesson
def test_a_lesson_opens_elsewhere_and_installs_the_course_where_it_is_missing(path):
    notebook = read(path)
    before = [cell.source for cell in notebook.cells]
    again = with_common_cells(notebook, path.stem)
    assert [cell.source for cell in again.cells] == before


@each_lesson
def test_a_prediction_is_answered_before_the_next_one(path):
    waiting = None
    for cell in read(path).cells:
        outputs = "".join(str(output) for output in cell.get("outputs", []))
        if "**Answer" in cell.source or "Answer:" in outputs:
            waiting = None
        if "**Predict" in cell.source:
            assert waiting is None, f"unanswered: {waiting}"
            waiting = cell.source
    assert waiting is None, f"unanswered: {waiting}"


@each_lesson
def test_the_reader_builds_something_and_few_cells_are_folded(path):
    cells = [cell for cell in code_cells(path) if "solution" not in tags(cell)]
    assert any("build" in tags(cell) and "def " in cell.source for cell in cells)
    folded = [cell for cell in cells if "hide-input" in tags(cell)]
    assert len(folded) <= len(cells) / 3, f"{len(folded)} of {len(cells)} code cells are folded"


@each_lesson
def test_a_student_writes_a_function_in_an_exercise(path):
    cells = [cell for cell in code_cells(path) if "exercise" in tags(cell)]
    assert any(re.search(r"^def ", cell.source, re.MULTILINE) for cell in cells)


def test_ideas_are_drawn_typeset_and_linked():
    sources = [cell.source for path in LESSONS for cell in read(path).cells]
    assert sum("diagrams." in source and "import" not in source for source in sources) >= 8
    assert sum(source.count("$$") // 2 for source in sources) >= 10
    assert len({url for source in sources for url in re.findall(r"https?://[^)\s]+", source)}) >= 25


@each_lesson
def test_the_parameters_are_literals_and_the_same_in_every_lesson(path):
    (cell,) = [cell for cell in code_cells(path) if "parameters" in tags(cell)]
    (model,) = [cell for cell in code_cells(LESSONS[0]) if "parameters" in tags(cell)]
    assert cell.source == model.source
    known = papermill.inspect_notebook(str(path))
    assert list(known) == ["data", "category", "profile"]  # batch runs may set any other as well
    assert all(parameter["help"] for parameter in known.values())


@each_lesson
def test_code_cells_are_short_and_only_what_the_reader_builds_defines_a_function(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= 25, cell.source
        if not {"build", "exercise", "solution"} & set(tags(cell)):
            assert not re.search(r"^\s*(def|class)\s", cell.source, re.MULTILINE)
        assert not re.search(r"^\s*[%!]|sys\.exit", cell.source, re.MULTILINE)


@each_lesson
def test_what_is_imported_is_used_but_for_the_hint(path):
    lines = "\n".join(cell.source for cell in code_cells(path)).splitlines()
    names = {}
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name): node.lineno for alias in node.names}
    rest = "\n".join(lines)
    unused = {name for name in names if len(re.findall(rf"\b{name}\b", rest)) < 2}
    assert unused <= {"hint"}


def test_prose_between_cells_is_short():
    cells = [cell for path in LESSONS for cell in read(path).cells[1:-1]]
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    texts = [text for text in texts if not text.startswith("## Further reading")]
    words = {text: count_words(text) for text in texts}
    assert [text for text, count in words.items() if count > 125] == []


def count_words(markdown):
    """Without headings and the targets of links; a piece of code is one word."""
    prose = "\n".join(line for line in markdown.splitlines() if not line.startswith("#"))
    return len(re.sub(r"`[^`]*`", "code", re.sub(r"\]\([^)]*\)", "]", prose)).split())


@each_lesson
def test_a_lesson_was_run_in_order_from_a_fresh_kernel(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_lesson
def test_outputs_hold_no_error_no_warning_and_no_path_of_a_machine(path):
    text = path.read_text(encoding="utf-8")
    assert len(text) < 1_750_000
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.get("text")
            data = {**output.get("data", {}), "text": output.get("text", "")}
            words = " ".join(str(value) for kind, value in data.items() if "image" not in kind)
            assert not re.search(r"(?<![\w.])(/(home|root|tmp|Users|work)/|[A-Z]:\\)", words)


@each_lesson
def test_a_notebook_file_is_normalised(path):
    notebook = read(path)
    assert notebook.metadata.kernelspec.name == "python3"
    assert not {"widgets", "papermill"} & set(notebook.metadata)
    assert not any("execution" in cell.metadata for cell in notebook.cells)


@each_lesson
def test_every_figure_has_a_caption(path):
    for cell in code_cells(path):
        kinds = [set(output.get("data", {})) for output in cell.outputs]
        for i, kind in enumerate(kinds):
            if "image/png" in kind:
                caption = cell.outputs[i + 1]["data"]["text/markdown"]
                assert "".join(caption).startswith("**Figure.** ")


@each_lesson
def test_links_between_lessons_resolve(path):
    for cell in read(path).cells:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", cell.source):
            assert (path.parent / target).is_file(), target


# Numbers that are no results: the slides', settings, limits of a measure, an example.
FIXED = {
    "0.78", "0.57", "0.389", "1e-4", "0.5", "0.95", "1.5", "0.8", "1.0", "0.3", "0.1", "0.15",
}  # fmt: skip


@pytest.mark.parametrize("path", LESSONS[3:], ids=lambda path: path.stem)
def test_results_are_never_typed_into_the_prose(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown" and "xercise" not in cell.source[:12]:
            prose = re.sub(r"https?://\S+", "", cell.source)  # addresses of papers hold numbers
            typed = set(re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", prose)) - FIXED
            assert not typed, f"{typed} in: {cell.source}"


def test_at_least_15_percent_of_the_code_cells_are_compared():
    cells = [cell for path in LESSONS for cell in code_cells(path)]
    compared = [cell for cell in cells if COMPARED in tags(cell)]
    assert all(cell.outputs for cell in compared)  # nothing is compared where nothing is stored
    assert len(compared) >= 0.15 * len(cells), f"{len(compared)} of {len(cells)}"
