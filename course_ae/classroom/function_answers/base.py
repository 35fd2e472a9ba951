"""What an exercise is in which a student writes a function."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def returned(result: Any, arguments: tuple) -> Any:
    """What is compared of most functions: what they return."""
    return result


@dataclass(frozen=True)
class FunctionAnswer:
    """A function that a student shall write."""

    right: Callable
    wrong: tuple[Callable, ...]  # usual mistakes, in the order of their sentences
    cases: Callable[[], list[tuple]]  # the arguments of each call, new ones each time
    observe: Callable[[Any, tuple], Any] = returned  # from what it returns and what it was given
