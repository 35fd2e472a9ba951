"""Pictures of ideas, drawn by code in the course's colours; each returns a figure for `show`."""
