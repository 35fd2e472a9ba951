"""README and CI say the same, and the README what is there."""

import re
from pathlib import Path

import pytest

from course_ae.command.cli import main
from course_ae.experiment import recorded

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def test_ci_calls_exactly_the_test_command_of_the_readme_and_then_the_slow_tests():
    command = re.search(r"\*\*Pass the tests\*\*:\n\n```\n(.+)\n```", README)[1]
    assert command.endswith("pytest")
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    lines = [line.strip() for line in lines]
    assert lines.index("pytest tests/slow") > lines.index(command)


def test_every_lesson_is_in_the_readme():
    lessons = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert re.findall(r"\(notebooks/([^)]+\.ipynb)\)", README) == lessons


def test_every_subject_module_and_every_other_part_is_in_the_readme():
    modules = {path.stem for path in (ROOT / "course_ae").glob("*.py")} - {"__init__", "__main__"}
    assert {name for name in modules if f"`{name}`" not in README} == set()
    parts = {path.parent.name for path in (ROOT / "course_ae").glob("*/__init__.py")}
    assert {name for name in parts if f"`course_ae/{name}/`" not in README} == set()
    tests = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
    assert {name for name in tests if f"`{name}`" not in README} == set()


def test_pictures_and_files_that_the_readme_names_exist():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).is_file(), target


def test_the_result_table_is_printed_by_the_command_and_not_typed(capsys):
    (pattern,) = re.findall(r"`course-ae table (\S+)`", RESULTS)
    assert main(["table", str(ROOT / pattern)]) == 0  # as where the shell expands no patterns
    assert capsys.readouterr().out.strip() in RESULTS


def test_the_short_table_of_the_readme_says_what_was_recorded():
    for row in recorded.against_memory():
        figures = [f"{row[name]:.3f}" for name in row if ", " in name]
        assert f"| {row['runs']} | {' | '.join(figures)} |" in README


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("name", ["missing", "settings.json"])
def test_a_table_of_something_else_is_one_sentence(name, tmp_path, capsys):
    path = tmp_path / name
    if name != "missing":
        path.write_text('{"settings": {}}', encoding="utf-8")
    assert main(["table", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 1


def test_the_trials_of_the_results_are_those_of_the_lesson():
    rows = recorded.trials()
    assert len(rows) > 9 and len({tuple(row) for row in rows}) == 1
    for row in [*rows, *recorded.denoiser_trials()]:
        assert "| " + " | ".join(row.values()) + " |" in RESULTS
