"""Desk's settings with the app that plants a mistake."""

from desk.settings import *  # noqa: F403 - all of them
from desk.settings import INSTALLED_APPS as USUAL_APPS

INSTALLED_APPS = [*USUAL_APPS, "chaos.planted.apps.PlantedConfig"]
