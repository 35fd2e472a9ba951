"""The lessons' exercises: `check` an answer, or ask for a `hint`.

An answer is compared with what the package computes itself (`answers`), so that none stands in the
lessons' own cells, and all fit whatever data a lesson runs on.
"""

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from course_ae.classroom.answers import EXERCISES, Exercise
from course_ae.classroom.function_answers import FunctionAnswer
from course_ae.support.errors import CourseError, nearest


def check(name: str, answer: Any, *given: Any) -> None:
    """Says whether an answer is right, and if not, what may have gone wrong.

    Args:
        name: the exercise, for example '5.2'.
        answer: the answer; None for none yet.
        given: what the exercise was computed from, as its cell has it.

    Raises:
        CourseError: if there is no such exercise.
    """
    print(f"Exercise {name}: {verdict(name, answer, *given)}")


def verdict(name: str, answer: Any, *given: Any) -> str:
    """What `check` prints after the exercise's name.

    Raises:
        CourseError: if there is no such exercise.
    """
    exercise = _find(name)
    if isinstance(exercise.answers, FunctionAnswer):
        return _verdict_of_function(name, answer, exercise)
    wanted = list(signature(exercise.answers).parameters)
    if len(given) != len(wanted):
        call = ", ".join([f'check("{name}"', "answer", *wanted])
        return f"call it as its cell does, {call})."
    if answer is None:
        return f'no answer yet. hint("{name}") helps.'
    if not _has_form(answer, exercise.form):
        return f"the answer should be {exercise.form}, not {_short(answer)}."
    right, *wrong = exercise.answers(*given)
    if _same(answer, right, exercise.tolerance):
        return "right."
    for value, sentence in zip(wrong, exercise.mistakes, strict=True):
        if _same(answer, value, exercise.tolerance):
            return f"not yet. {sentence}"
    return f'not yet. {_how_far(answer, right)} hint("{name}") helps.'


def _verdict_of_function(name: str, function: Any, exercise: Exercise) -> str:
    """What `check` prints of a function that a student wrote, called with data of our own."""
    if not callable(function):
        return f"the answer should be a function, without brackets, not {_short(function)}."
    answers = exercise.answers
    try:
        found = _outcomes(answers, function)
    except Exception as error:  # a student's code may do anything
        return f"not yet. It stopped with {type(error).__name__}: {error}"
    if any(outcome is None for outcome in found):
        return f'it returns nothing yet. hint("{name}") helps.'
    if _agree(found, _outcomes(answers, answers.right), exercise.tolerance):
        return "right."
    for wrong, sentence in zip(answers.wrong, exercise.mistakes, strict=True):
        if _agree(found, _outcomes(answers, wrong), exercise.tolerance):
            return f"not yet. {sentence}"
    return f'not yet. Its results are not the expected ones. hint("{name}") helps.'


def _outcomes(answers: FunctionAnswer, function: Callable) -> list[Any]:
    """What a function gives in each case."""
    return [answers.observe(function(*arguments), arguments) for arguments in answers.cases()]


def _agree(found: list[Any], wanted: list[Any], tolerance: float) -> bool:
    try:
        pairs = [
            (np.asarray(a, float), np.asarray(b, float)) for a, b in zip(found, wanted, strict=True)
        ]
    except (TypeError, ValueError, RuntimeError):  # for example a word, or lists of two lengths
        return False
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=1e-6) for a, b in pairs
    )


def hint(name: str, number: int = 1) -> None:
    """Prints a hint for an exercise; `number` 2 is the next one, which says more.

    Raises:
        CourseError: if there is no such exercise or hint.
    """
    hints = _find(name).hints
    if not 1 <= number <= len(hints):
        raise CourseError(f"Exercise {name} has the hints 1 to {len(hints)}, not {number}.")
    more = f' hint("{name}", {number + 1}) says more.' if number < len(hints) else ""
    print(f"Exercise {name}: {hints[number - 1]}{more}")


def _find(name: str) -> Exercise:
    if name not in EXERCISES:
        raise CourseError(f"There is no exercise '{name}'{nearest(str(name), list(EXERCISES))}")
    return EXERCISES[name]


def _is_number(value: Any) -> bool:
    return np.issubdtype(np.asarray(value).dtype, np.number)


FORMS: dict[str, Callable[[Any], bool]] = {
    "a number": lambda answer: np.ndim(answer) == 0 and _is_number(answer),
    "a word in quotes": lambda answer: isinstance(answer, str),
    "a pair of numbers": lambda answer: np.shape(answer) == (2,) and all(map(_is_number, answer)),
    "a set of words": lambda answer: isinstance(answer, (set, frozenset, list, tuple)),
}


def _has_form(answer: Any, form: str) -> bool:
    try:
        return FORMS[form](answer)
    except (TypeError, ValueError):  # for example a list of lists of different lengths
        return False


def _same(answer: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(wanted, str):
        return _plain(answer) == _plain(wanted)
    if isinstance(wanted, set):
        return {_plain(word) for word in answer} == wanted
    wanted = np.asarray(wanted, dtype=float)
    return bool(np.all(np.abs(np.asarray(answer) - wanted) <= tolerance * np.abs(wanted) + 1e-12))


def _plain(word: Any) -> str:
    return str(word).strip().casefold()


def _how_far(answer: Any, right: Any) -> str:
    if isinstance(right, str):
        return "It is another one."
    if isinstance(right, set):
        return "Something is missing, or too much."
    if np.ndim(right):
        return "At least one of the two is off."
    return f"It is {'lower' if answer > right else 'higher'} than that."


def _short(answer: Any) -> str:
    text = f"{type(answer).__name__} {answer!r}"
    return text if len(text) < 60 else f"{text[:57]}..."
