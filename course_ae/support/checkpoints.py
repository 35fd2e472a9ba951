"""Files of weights and of trainings that were stopped: whole or not at all, and never code."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_ae.support.errors import CourseError
from course_ae.support.files import replace_file


def write_weights(path: Path, content: dict[str, Any]) -> None:
    """A file of tensors and plain values, whole or not at all.

    Raises:
        CourseError: if it cannot be written.
    """
    with replace_file(path) as part, part.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's own words for a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from error
            raise


def read_weights(path: Path, device: torch.device) -> dict[str, Any]:
    """Tensors, on a device, and plain values; a file from a stranger cannot run code.

    Raises:
        CourseError: if the file is missing or damaged.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged or foreign file
        raise CourseError(f"'{path}' is missing or damaged; delete it and repeat.") from error


def load_weights(model: nn.Module, path: Path) -> None:
    """Reads a network's weights into it.

    Raises:
        CourseError: if the file is missing, damaged, or of another network.
    """
    try:
        model.load_state_dict(read_weights(path, next(model.parameters()).device))
    except (CourseError, RuntimeError, TypeError, AttributeError) as error:
        raise CourseError(f"'{path}' is no model of this run; delete it and repeat.") from error
