"""The teacher's guide is in step with the lessons."""

import re

import nbformat

from course_ae.classroom import answers
from course_ae.classroom.exercises import verdict
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
    told = section("Answers")
    for name in answers.EXERCISES:
        assert f"**{name}**" in told or f"**{name}** and" in told
    for name, pattern in {"3.1": r"(\d+):", "5.1": r"([\d.]+\d)", "8.1": r"([\d.]+\d)"}.items():
        found = re.search(rf"\*\*{name}\*\* {pattern}", told)[1]
        assert verdict(name, float(found)) == "right."
    found = re.search(r"\*\*3\.2\*\* [^*]*?= ([\d ]+\d)\.", told)[1]
    assert verdict("3.2", int(found.replace(" ", ""))) == "right."


def test_the_exercises_that_the_plans_name_exist():
    named = re.findall(r"\b(\d\.\d)\b", section("Plan B"))
    assert set(named) <= set(answers.EXERCISES)


def test_the_lessons_it_sends_to_hold_what_it_names():
    texts = {p.name[:2]: " ".join(c.source for c in nbformat.read(p, as_version=4).cells)
             for p in notebooks.lessons()}  # fmt: skip
    assert "same_image_explorer" in texts["07"] and "split_lottery" in texts["06"]
    assert "threshold_explorer" in texts["05"] and "similarity_explorer" in texts["04"]
    for number, words in {
        "02": "flip first",
        "04": "a collapse",
        "05": "tune on the test part",
        "06": "AUROC on unbalanced",
    }.items():
        assert f"## Break it: {words}" in texts[number]
