"""Every exercise rejects its usual mistakes by name, accepts what is right, and gives nothing away.

That the lessons' stubs run clean and their solutions are accepted, nbval shows on the notebooks.
"""

import inspect
import re

import nbformat
import numpy as np
import pytest
import torch

from course_ae import ssim
from course_ae.baselines import LinearAutoencoder
from course_ae.classroom.answers import EXERCISES
from course_ae.classroom.exercises import check, hint, verdict
from course_ae.classroom.function_answers import FUNCTIONS
from course_ae.command import notebooks
from course_ae.scoring import Scores
from course_ae.support.errors import CourseError
from course_ae.thresholds import split_test


@pytest.fixture(scope="module")
def given(bottles):
    """What each exercise is computed from, such that its mistakes differ from what is right."""
    rng = np.random.default_rng(0)
    labels = np.array([0] * 70 + [1] * 30)
    values = {"l2": rng.normal(labels, 1.6), "ssim": 5 + rng.normal(labels, 1.5)}
    maps = torch.rand(100, 9, 9, generator=torch.Generator().manual_seed(0))
    masks = [None] * 70 + [np.arange(81).reshape(9, 9) < 50] * 30
    maps_l2 = torch.where(torch.arange(81).reshape(9, 9) < 9, 2.0, 0.0).expand(100, 9, 9)
    good = {"l2": rng.normal(0, 0.8, 50)}
    names = [f"test/x/{i}.png" for i in range(100)]
    types = np.array(["good"] * 70 + ["x"] * 30)
    scores = Scores(names, types, labels, *split_test(labels, 0.3, 0), values,
                    {"normalised": maps, "l2": maps_l2}, good)  # fmt: skip
    x = bottles[:1]
    return {
        "1.2": (bottles[:4, 0].numpy(),), "2.2": (500, 0),
        "3.3": (LinearAutoencoder(bottles[:4], 3), bottles[6:]), "4.1": (x,),
        "5.3": (scores,), "8.2": (scores, masks),
    }  # fmt: skip


each = pytest.mark.parametrize("name", list(EXERCISES))
each_value = pytest.mark.parametrize("name", [name for name in EXERCISES if name not in FUNCTIONS])
each_function = pytest.mark.parametrize("name", list(FUNCTIONS))


@each_value
def test_no_answer_yet_is_no_error_and_no_success(name, given):
    assert verdict(name, None, *given.get(name, ())) == f'no answer yet. hint("{name}") helps.'


@each_value
def test_the_right_answer_is_accepted(name, given):
    arguments = given.get(name, ())
    assert verdict(name, EXERCISES[name].answers(*arguments)[0], *arguments) == "right."


@each_value
@pytest.mark.parametrize("number", [0, 1])
def test_two_usual_mistakes_are_known_by_name(name, number, given):
    arguments = given.get(name, ())
    _, *mistakes = EXERCISES[name].answers(*arguments)
    assert len(mistakes) == len(EXERCISES[name].mistakes) == 2
    sentence = EXERCISES[name].mistakes[number]
    assert verdict(name, mistakes[number], *arguments) == f"not yet. {sentence}"


WRONG = {"a number": -123.4, "a word in quotes": "teapot", "a pair of numbers": (-5, -5),
         "a set of words": {"teapot"}}  # fmt: skip


@each_value
def test_another_wrong_answer_and_one_of_another_form_get_a_sentence(name, given):
    arguments, form = given.get(name, ()), EXERCISES[name].form
    assert verdict(name, WRONG[form], *arguments).startswith("not yet. ")
    for other in ({"a": 1}, object(), [[1], [2, 3]], np.nan):
        said = verdict(name, other, *arguments)
        assert said != "right." and said.endswith(".") and "\n" not in said


@each_value
def test_neither_hints_nor_replies_hold_the_answer(name, given):
    exercise, arguments = EXERCISES[name], given.get(name, ())
    right = exercise.answers(*arguments)[0]
    words = [right] if isinstance(right, str) else list(right) if np.ndim(right) else [right]
    if isinstance(right, set):
        words = [" and ".join(sorted(right))]
    told = [*exercise.hints, *exercise.mistakes]
    told += [verdict(name, WRONG[exercise.form], *arguments)]
    for word in words:
        if name not in ("2.1", "4.3"):  # a choice of words, small whole numbers
            text = f"{word:.6g}" if isinstance(word, float) else str(word)
            assert not any(re.search(rf"(?<![\w.]){re.escape(text)}(?![\w.])", t) for t in told)


@each_function
def test_a_function_that_is_not_yet_written_is_no_error_and_no_success(name):
    stub = lambda *arguments: None  # noqa: E731
    assert verdict(name, stub) == f'it returns nothing yet. hint("{name}") helps.'
    assert verdict(name, 3) == "the answer should be a function, without brackets, not int 3."


@each_function
def test_the_right_function_is_accepted_and_its_mistakes_are_known_by_name(name):
    answers, mistakes = FUNCTIONS[name], EXERCISES[name].mistakes
    assert verdict(name, answers.right) == "right."
    assert len(answers.wrong) == len(mistakes) >= 2
    for wrong, sentence in zip(answers.wrong, mistakes, strict=True):
        assert verdict(name, wrong) == f"not yet. {sentence}"


@each_function
def test_a_function_that_raises_or_gives_something_else_gets_a_sentence(name):
    assert verdict(name, lambda: 1).startswith("not yet. It stopped with TypeError: ")
    for other in ("teapot", -123.4, [[1], [2, 3]], object()):
        said = verdict(name, lambda *arguments, other=other: other)
        assert said.startswith("not yet. Its results are not the expected ones.")


def test_a_threshold_with_the_same_verdicts_is_as_right():
    def elsewhere(scores, labels, false_alarm, missed):
        tried = [scores.min() - 1, *(np.sort(scores) + 1e-6)]
        costs = [false_alarm * ((scores > t) & (labels == 0)).sum()
                 + missed * ((scores <= t) & (labels == 1)).sum() for t in tried]  # fmt: skip
        return tried[np.argmin(costs)]

    assert verdict("5.2", elsewhere) == "right."


@each
def test_hints_are_printed_one_by_one(name, capsys):
    for number, text in enumerate(EXERCISES[name].hints, 1):
        hint(name, number)
        assert f"Exercise {name}: {text}" in capsys.readouterr().out
    with pytest.raises(CourseError, match="hints 1 to"):
        hint(name, len(EXERCISES[name].hints) + 1)


def test_a_check_without_what_it_is_computed_from_says_how_to_call_it():
    assert verdict("5.3", 1.0) == 'call it as its cell does, check("5.3", answer, scores).'


def test_every_lesson_hands_over_what_its_exercises_are_computed_from():
    for path in notebooks.lessons():
        for cell in nbformat.read(path, as_version=4).cells:
            for name, rest in re.findall(r'check\("([\d.]+)", answer(.*)\)', cell.source):
                wanted = inspect.signature(EXERCISES[name].answers).parameters
                assert rest.count(", ") == len(wanted)


def test_an_exercise_that_does_not_exist_names_the_nearest(capsys):
    with pytest.raises(CourseError, match=r"no exercise '5\.22'; did you mean '5\.2'\?"):
        check("5.22", 1)


def test_every_exercise_has_a_stub_and_a_solution_in_its_lesson():
    found = {"exercise": [], "solution": []}
    for path in notebooks.lessons():
        for cell in nbformat.read(path, as_version=4).cells:
            for tag in found:
                if tag in cell.metadata.get("tags", []):
                    (name,) = re.findall(r'check\("([\d.]+)", \w+', cell.source)
                    assert name.startswith(f"{int(path.name[:2])}.")
                    found[tag].append(name)
                    is_function = name in FUNCTIONS
                    start = "def " if is_function else "answer = None\n"
                    assert cell.source.startswith(start) is (tag == "exercise")
                    none = "it returns nothing yet" if is_function else "no answer yet"
                    says = none if tag == "exercise" else "right."
                    assert f"Exercise {name}: {says}" in cell.outputs[0].text
    assert found["exercise"] == found["solution"] == list(EXERCISES)


def test_answers_of_arrays_tensors_and_capitals_count(given):
    right = EXERCISES["3.3"].answers(*given["3.3"])[0]
    assert verdict("3.3", torch.tensor(right), *given["3.3"]) == "right."
    assert verdict("2.3", ["Pill", "screw"]) == "right."
    assert verdict("6.3", torch.tensor(0.8056)) == "right."


def test_what_the_exercises_compute_is_what_the_package_computes(bottles):
    x = bottles[:1]
    shares = EXERCISES["4.1"].answers(x)[0]
    for share, loss in zip(shares, (ssim.ssim_loss, ssim.l2_loss), strict=True):
        losses = [loss(x.roll(n, dims=-1), x).item() for n in (1, 6)]
        assert share == pytest.approx(losses[0] / losses[1])
