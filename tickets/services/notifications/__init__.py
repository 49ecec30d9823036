"""Tell people what happened, in the browsers where they want it and by e-mail."""
