"""The command `course-ae` and what it makes: executed lessons, report, slides, verdicts."""
