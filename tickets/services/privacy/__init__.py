"""A person's data: erased, or exported."""
