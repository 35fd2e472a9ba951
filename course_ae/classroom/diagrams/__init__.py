"""Pictures of ideas, drawn by code in the course's colours; each returns a figure for `show`."""

from course_ae.classroom.diagrams import (
    beyond,
    convolution,
    descent,
    hourglass,
    inputs,
    road,
    similarity,
    tiles,
    training,
    verdicts,
)

__all__ = [
    "beyond",
    "convolution",
    "descent",
    "hourglass",
    "inputs",
    "road",
    "similarity",
    "tiles",
    "training",
    "verdicts",
]
