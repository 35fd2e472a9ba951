"""Many trainings, or one on many processors. The rest of the course works without this folder."""
