"""What stands behind `make run` and `make serve`: the virtual environment, the settings, the processes."""
