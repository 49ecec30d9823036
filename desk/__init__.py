"""The project package and base app of Desk."""

__version__ = "1.0.0"
