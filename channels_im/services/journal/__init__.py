"""The webhook journal: keep what Meta delivers, and process it."""
