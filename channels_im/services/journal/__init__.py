"""The webhook journal: store what Meta delivers, and process it."""
