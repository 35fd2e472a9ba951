"""Clear words for a value that cannot be meant."""

from typing import Any

from course_ae.support.errors import CourseError, nearest


def checked_value(
    name: str, value: Any, wanted: type, limits: tuple[Any, Any] | tuple[str, ...] | None
) -> Any:
    """The value of a setting, a whole number as a float where one is wanted.

    Args:
        name: of the setting.
        value: its value.
        wanted: the type it must have.
        limits: the lowest and the highest value, both included, or all words; None for no limits.

    Raises:
        CourseError: for a value of the wrong type, or one out of range.
    """
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        words = {int: "a whole number", float: "a number", bool: "True or False", str: "a word"}
        raise CourseError(f"The setting '{name}' must be {words[wanted]}, not {value!r}.")
    if limits is None:
        return value
    if wanted is str:
        if value not in limits:
            raise CourseError(
                f"The setting '{name}' has no value '{value}'{nearest(value, limits)}"
            )
    elif not limits[0] <= value <= limits[1]:  # also refuses nan
        raise CourseError(
            f"The setting '{name}' must lie between {limits[0]} and {limits[1]}, not {value}."
        )
    return value
