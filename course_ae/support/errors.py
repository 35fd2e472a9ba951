"""Mistakes of a user: one sentence that says what is wrong, where, and what to do."""

import difflib
from collections.abc import Collection


class CourseError(ValueError):
    """A mistake that the user can mend; its text says what is wrong, where, and what to do."""


class ManualStepsError(CourseError):
    """A mistake whose remedy is told in several lines."""


def nearest(name: str, known: Collection[str]) -> str:
    """'; did you mean 'epochs'?' where a known name is near, else the list of the known ones."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known are: {', '.join(known)}."
