"""Demo data for `make run`: users, a linked Page and the past week of the sandbox. Never in production."""
