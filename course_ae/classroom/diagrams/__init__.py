"""Pictures of ideas, drawn by code in the course's colours; each returns a figure for `show`."""

from course_ae.classroom.diagrams import certainty, two_scores

__all__ = ["certainty", "two_scores"]
