"""Exercises in which a student writes a function: what is right, and what usual mistakes give.

Students, read no further! `exercises.check` calls a student's function and ours with the same
arguments. What it says of each mistake, and the hints, stand in exercises.toml.
"""

from course_ae.classroom.function_answers import (
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_08,
    lessons_01_02,
    lessons_06_07,
)
from course_ae.classroom.function_answers.base import FunctionAnswer

FUNCTIONS: dict[str, FunctionAnswer] = {
    **lessons_01_02.FUNCTIONS,
    **lesson_03.FUNCTIONS,
    **lesson_04.FUNCTIONS,
    **lesson_05.FUNCTIONS,
    **lessons_06_07.FUNCTIONS,
    **lesson_08.FUNCTIONS,
}

__all__ = ["FUNCTIONS", "FunctionAnswer"]
