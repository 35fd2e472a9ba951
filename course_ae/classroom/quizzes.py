"""Three questions at the end of each lesson, each choice with its reason."""

import tomllib
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import ipywidgets as w

from course_ae.classroom.browser import WIDGET, Keys
from course_ae.support.errors import CourseError, nearest


@cache
def questions() -> dict[str, list[dict[str, Any]]]:
    """The questions of each lesson, each with choices of text, why and (in one of them) right."""
    text = files("course_ae.classroom").joinpath("quizzes.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


class Quiz(w.VBox):
    """The questions as radio buttons; where no kernel runs, as a list without the answers."""

    def __init__(self, asked: list[dict[str, Any]]):
        self.asked = asked
        self.buttons, self.replies, rows = [], [], []
        for i, question in enumerate(asked):
            texts = [choice["text"] for choice in question["choices"]]
            buttons = w.RadioButtons(options=texts, index=None, layout=w.Layout(width="auto"))
            buttons.observe(lambda change, i=i: self._answer(i, change["new"]), names="index")
            self.buttons.append(buttons)
            self.replies.append(w.HTML())
            head = w.HTML(f"<b>{i + 1}. {escape(question['question'])}</b>")
            rows += [head, buttons, self.replies[i]]
        super().__init__([*rows, Keys()])

    def _answer(self, i: int, chosen: int | None) -> None:
        if chosen is not None:
            said = escape(reply(self.asked[i], chosen))
            self.replies[i].value = f"<div role='status'>{said}</div>"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        lines = []
        for i, question in enumerate(self.asked):
            lines.append(f"**{i + 1}. {question['question']}**\n")
            lines += [f"- {choice['text']}" for choice in question["choices"]] + [""]
        bundle, text = super()._repr_mimebundle_(**kwargs), "\n".join(lines)
        return {WIDGET: bundle[WIDGET], "text/markdown": text, "text/plain": text}


def reply(question: dict[str, Any], chosen: int) -> str:
    """What to say to the choice of this number."""
    choice = question["choices"][chosen]
    return f"{'Right' if choice.get('right') else 'Not quite'}. {choice['why']}"


def quiz(lesson: str) -> Quiz:
    """The three questions of a lesson, for example '05'.

    Raises:
        CourseError: if there is no such lesson.
    """
    name = f"lesson{lesson}"
    if name not in questions():
        raise CourseError(f"There is no quiz '{name}'{nearest(name, list(questions()))}")
    return Quiz(questions()[name])
