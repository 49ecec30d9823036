"""Demo data for `make run`: people, a linked Page and the week that the sandbox has in store. Never in production."""
