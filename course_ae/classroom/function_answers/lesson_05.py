"""The functions that students write in lesson 05."""

from typing import Any

import numpy as np

from course_ae.classroom.function_answers.base import FunctionAnswer
from course_ae.thresholds import confusion, count_errors

FUNCTIONS: dict[str, FunctionAnswer] = {}


# Lesson 05.


def cheapest_threshold(
    scores: np.ndarray, labels: np.ndarray, false_alarm: float, missed: float
) -> float:
    """The lowest of the thresholds on scores (N,) with labels (N,) that cost least in total."""
    candidates, fp, fn = count_errors(scores, labels)
    return float(candidates[np.argmin(false_alarm * fp + missed * fn)])


def highest_of_cheapest(
    scores: np.ndarray, labels: np.ndarray, false_alarm: float, missed: float
) -> float:
    """The same, arrays (N,) as there, but of equally cheap thresholds the highest."""
    candidates, fp, fn = count_errors(scores, labels)
    costs = false_alarm * fp + missed * fn
    return float(candidates[np.flatnonzero(costs == costs.min())[-1]])


def cheapest_in_between(
    scores: np.ndarray, labels: np.ndarray, false_alarm: float, missed: float
) -> float:
    """The same, arrays (N,) as there, but all are never called defective, and never all good."""
    candidates, fp, fn = count_errors(scores, labels)
    return float(candidates[1 + np.argmin((false_alarm * fp + missed * fn)[1:-1])])


def scores_with_prices() -> list[tuple]:
    """Scores, labels, and the prices of a false alarm and of a missed defect."""
    rng = np.random.default_rng(5)
    labels = np.arange(40) % 2
    mixed = rng.normal(labels, 1.0)
    few = np.array([2.0, 7, 4, 1, 9, 6, 3, 8]), np.array([0, 1, 1, 0, 1, 0, 0, 1])
    hidden = np.array([3.0, 1, 2, 4]), np.array([0, 1, 0, 1])  # the lowest score is a defect
    return [(mixed, labels, 1, 5), (mixed, labels, 5, 1), (*few, 1, 1), (*hidden, 1, 100),
            (*hidden, 1, 1)]  # fmt: skip


def verdicts_of(threshold: Any, arguments: tuple) -> Any:
    """A threshold is as good as any other that gives the same verdicts."""
    try:
        return confusion(*arguments[:2], float(threshold))
    except (TypeError, ValueError):  # no number, and so no threshold
        return threshold


FUNCTIONS["5.2"] = FunctionAnswer(
    cheapest_threshold,
    wrong=(
        lambda scores, labels, false_alarm, missed: cheapest_threshold(scores, labels, 1, 1),
        lambda scores, labels, false_alarm, missed: cheapest_threshold(
            scores, labels, missed, false_alarm
        ),
        highest_of_cheapest,
        cheapest_in_between,
    ),
    cases=scores_with_prices,
    observe=verdicts_of,
)
