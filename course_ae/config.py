"""Settings of a run: what can be chosen, the profiles, and clear words for a wrong choice."""

import difflib
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import platformdirs


class CourseError(ValueError):
    """A mistake that the user can mend; its text says what is wrong, where, and what to do."""


class ManualStepsError(CourseError):
    """A mistake whose remedy is told in several lines."""


@dataclass(frozen=True)
class Settings:
    """Everything that changes the numbers of a run. The defaults are the slides' recipe."""

    category: str = "bottle"  # the product to inspect
    profile: str = "slides"  # where the values below come from
    seed: int = 0  # of the initial weights, the order of the images and both splits
    width: float = 1.0  # factor on AlexNet's channel counts
    bottleneck: int = 2048  # size of the code
    batch_norm: bool = True  # normalise every hidden layer
    skips: bool = False  # hand the encoder's maps over to the decoder
    flips: bool = True  # train on the flipped images as well
    repair: bool = False  # paint stains on the input and ask for the clean image
    loss: str = "ssim"  # what training minimises: ssim, l2 or ssim_l1
    learning_rate: float = 1e-4  # Adam's step size, the highest one if it is annealed
    anneal: bool = False  # let the step size rise and then fall to nothing (one cycle)
    batch_size: int = 8  # images a step
    epochs: int = 150  # passes over the training images, at most
    patience: int = 10  # epochs without a better validation loss before training stops
    validation_fraction: float = 0.05  # of the good training images, to watch the training
    threshold_fraction: float = 0.3  # of the test images, to search the threshold


# Lesson 07: what makes a very good detector of the slides' autoencoder, on any category.
REPAIR: dict[str, Any] = {
    "skips": True,
    "flips": False,
    "repair": True,
    "loss": "ssim_l1",
    "learning_rate": 1e-3,
    "anneal": True,
}

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        "width": 0.25,
        "bottleneck": 256,
        "learning_rate": 2e-3,
        "anneal": True,
        "epochs": 14,
        "validation_fraction": 0.1,
    },
    "slides": {},
    "best": {
        **REPAIR,
        "width": 0.5,
        "bottleneck": 1024,
        "epochs": 60,
        "patience": 60,
        "validation_fraction": 0.1,
    },
}

# Allowed values: the lowest and the highest, both included, or a tuple of words.
LIMITS: dict[str, tuple[Any, Any] | tuple[str, ...]] = {
    "seed": (0, 2**32 - 1),
    "width": (0.01, 4.0),
    "bottleneck": (1, 65536),
    "loss": ("ssim", "l2", "ssim_l1"),
    "learning_rate": (1e-8, 1.0),
    "batch_size": (2, 4096),  # batch normalisation needs two images
    "epochs": (1, 100_000),
    "patience": (1, 100_000),
    "validation_fraction": (0.001, 0.9),
    "threshold_fraction": (0.01, 0.99),
}


def nearest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """'; did you mean 'epochs'?' where a known name is near, else the list of the known ones."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known are: {', '.join(known)}."


def setting_types() -> dict[str, type]:
    """Name and type of each setting that can be overridden."""
    return {field.name: field.type for field in fields(Settings) if field.name != "profile"}


def make_settings(profile: str = "quick", **overrides: Any) -> Settings:
    """Settings of a profile, with single values replaced; None keeps the profile's value.

    Raises:
        CourseError: for a profile or a setting that does not exist (the nearest one is named), a
            value of the wrong type, or one out of range.
    """
    if profile not in PROFILES:
        raise CourseError(f"There is no profile '{profile}'{nearest(profile, list(PROFILES))}")
    settings = replace(Settings(), profile=profile, **PROFILES[profile])
    known = setting_types()
    for name, value in overrides.items():
        if name not in known:
            raise CourseError(f"There is no setting '{name}'{nearest(name, list(known))}")
        if value is not None:
            checked = _check(name, value, known[name])
            settings = replace(settings, **{name: checked})
    return settings


def _check(name: str, value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        words = {int: "a whole number", float: "a number", bool: "True or False", str: "a word"}
        raise CourseError(f"The setting '{name}' must be {words[kind]}, not {value!r}.")
    limits = LIMITS.get(name)
    if limits is None:
        return value
    if kind is str:
        if value not in limits:
            raise CourseError(
                f"The setting '{name}' has no value '{value}'{nearest(value, limits)}"
            )
    elif not limits[0] <= value <= limits[1]:  # also refuses nan
        raise CourseError(
            f"The setting '{name}' must lie between {limits[0]} and {limits[1]}, not {value}."
        )
    return value


def cache_folder() -> Path:
    """Where drawn data and preprocessed images are kept: $COURSE_AE_CACHE or the user's cache."""
    chosen = os.environ.get("COURSE_AE_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("course_ae", False)
