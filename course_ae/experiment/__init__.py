"""One run of the course: its folder, its stages, its figures, and what is tested with them."""
