"""The teacher's guide is in step with the lessons."""

import re
from inspect import signature

import nbformat
import numpy as np
from lesson_files import read, tags

from course_ae.classroom.answers import EXERCISES
from course_ae.classroom.function_answers import FunctionAnswer
from course_ae.command import notebooks

GUIDE = notebooks.lessons_folder() / "teachers_guide.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def section(title):
    return TEXT.split(f"## {title}")[1].split("\n## ")[0]


def test_links_resolve_and_every_lesson_is_in_the_short_plan():
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT):
        assert (GUIDE.parent / target).is_file()
    linked = re.findall(r"\(([^)]+\.ipynb)\)", section("Plan A"))
    assert linked == [path.name for path in notebooks.lessons()]


def test_the_minutes_of_each_session_add_up_to_90():
    short = re.findall(r"^\| (\d+) \|", section("Plan A"), re.MULTILINE)
    assert sum(map(int, short)) == 90
    rows = re.findall(r"^\| (?:(\d), \w+)? ?\| (\d+) \|", section("Plan B"), re.MULTILINE)
    sessions = []
    for session, minutes in rows:
        if session:
            sessions.append(0)
        sessions[-1] += int(minutes)
    assert sessions == [90, 90, 90]


def test_every_exercise_is_answered_and_those_with_fixed_answers_rightly():
    told = dict(re.findall(r"\*\*(\d\.\d)\*\*(.*?)(?=\*\*\d|\Z)", section("Answers"), re.DOTALL))
    assert set(told) == set(EXERCISES)
    fixed = {name: exercise.answers()[0] for name, exercise in EXERCISES.items()
             if not isinstance(exercise.answers, FunctionAnswer)
             and not signature(exercise.answers).parameters}  # fmt: skip
    assert fixed
    for name, right in fixed.items():
        text = re.sub(r"(?<=\d) (?=\d{3}\b)", "", told[name]).lower()
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", text)]
        for part in right if isinstance(right, set | tuple) else [right]:
            if isinstance(part, str):
                assert part in text, name
            else:
                assert np.isclose(numbers, part, rtol=EXERCISES[name].tolerance).any(), name


def test_the_exercises_that_the_plans_name_exist():
    named = re.findall(r"\b(\d\.\d)\b", section("Plan B"))
    assert set(named) <= set(EXERCISES)


def test_what_the_students_build_is_in_the_lessons():
    rows = re.findall(
        r"^\| (\d\d) \| \d+ \|(.+)\|(?:.+)\|$", section("What the students build"), re.MULTILINE
    )
    assert [number for number, _ in rows] == [path.name[:2] for path in notebooks.lessons()]
    for (_, what), path in zip(rows, notebooks.lessons(), strict=True):
        built = "\n".join(cell.source for cell in read(path).cells if "build" in tags(cell))
        names = re.findall(r"`(\w+)`", what)
        assert names
        for name in names:
            assert f"def {name}(" in built, (path.name, name)


def test_the_lessons_it_sends_to_hold_what_it_names():
    texts = {p.name[:2]: " ".join(c.source for c in nbformat.read(p, as_version=4).cells)
             for p in notebooks.lessons()}  # fmt: skip
    assert "same_image_explorer" in texts["07"] and "split_lottery" in texts["06"]
    assert "threshold_explorer" in texts["05"] and "similarity_explorer" in texts["04"]
    for number, words in {
        "02": "flip first",
        "04": "without normalisation",
        "05": "tune on the test part",
        "06": "AUROC on easy pixels",
    }.items():
        assert f"## Break it: {words}" in texts[number]
