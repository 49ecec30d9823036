"""Start Desk for `make run` and `make serve`: virtual environment, settings, processes."""
