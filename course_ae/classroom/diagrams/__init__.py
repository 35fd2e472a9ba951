"""Pictures of ideas, drawn by code in the course's colours; each returns a figure for `show`."""

from course_ae.classroom.diagrams import (
    beyond,
    certainty,
    convolution,
    descent,
    hourglass,
    inputs,
    road,
    similarity,
    tiles,
    training,
    two_scores,
    verdicts,
)

__all__ = [
    "beyond",
    "certainty",
    "convolution",
    "descent",
    "hourglass",
    "inputs",
    "road",
    "similarity",
    "tiles",
    "training",
    "two_scores",
    "verdicts",
]
