"""Settings of a run: what can be chosen, the profiles, and clear words for a wrong choice."""

from dataclasses import dataclass, fields, replace
from typing import Any

from course_ae.support.checks import checked_value
from course_ae.support.errors import CourseError, nearest


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
    from_mean: bool = False  # see and draw what differs from the mean image; no denoiser does
    flips: bool = True  # train on the flipped images as well
    denoise: bool = False  # see PCA's picture as well, repair painted stains and mark them
    loss: str = "ssim"  # what training minimises: ssim, l2 or ssim_l1
    learning_rate: float = 1e-4  # Adam's step size, the highest one of a cycle
    gradient_clip: float = 0.0  # a longer gradient is cut down to this length; 0 cuts none
    one_cycle: bool = False  # let the step size rise and then fall to nothing
    batch_size: int = 8  # images a step
    epochs: int = 150  # passes over the training images, at most
    epoch_images: int = 0  # in a pass at least, by showing few images again and again
    patience: int = 10  # epochs without a better validation loss before training stops
    val_fraction: float = 0.05  # of the good training images, to watch the training
    calibration_fraction: float = 0.3  # of the test images, to search the threshold


# Lesson 08: what makes a very good detector of the slides' autoencoder, on any category.
DENOISE: dict[str, Any] = {
    "skips": True,
    "flips": False,
    "denoise": True,
    "loss": "ssim_l1",
    "learning_rate": 2e-3,
    "gradient_clip": 0.03,
    "one_cycle": True,
    "epoch_images": 180,  # painted anew each time, few good images teach more
}

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {
        "width": 0.25,
        "bottleneck": 256,
        "from_mean": True,
        "flips": False,
        "learning_rate": 4e-3,
        "gradient_clip": 0.03,
        "one_cycle": True,
        "epochs": 30,
        "patience": 30,  # a cycle is at its best at its end
        "val_fraction": 0.1,
    },
    "slides": {},
    "best": {
        **DENOISE,
        "width": 0.5,
        "bottleneck": 1024,
        "epochs": 65,
        "patience": 65,
        "val_fraction": 0.1,
    },
}

# Allowed values: the lowest and the highest, both included, or a tuple of words.
LIMITS: dict[str, tuple[Any, Any] | tuple[str, ...]] = {
    "seed": (0, 2**32 - 1),
    "width": (0.01, 4.0),
    "bottleneck": (1, 65536),
    "loss": ("ssim", "l2", "ssim_l1"),
    "learning_rate": (1e-8, 1.0),
    "gradient_clip": (0.0, 1e6),
    "batch_size": (2, 4096),  # batch normalisation needs two images
    "epochs": (1, 100_000),
    "epoch_images": (0, 1_000_000),
    "patience": (1, 100_000),
    "val_fraction": (0.001, 0.9),
    "calibration_fraction": (0.01, 0.99),
}


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
            checked = checked_value(name, value, known[name], LIMITS.get(name))
            settings = replace(settings, **{name: checked})
    return settings
