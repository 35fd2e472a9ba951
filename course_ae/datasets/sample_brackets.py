"""To be drawn."""
COUNTS={}
