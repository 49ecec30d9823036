"""The app that plants a mistake when a process starts."""

import os

from django.apps import AppConfig

from chaos.planted.mistakes import MISTAKES, VARIABLE


class PlantedConfig(AppConfig):
    """Plant the mistake that CHAOS_PLANTED names."""

    name = "chaos.planted"
    label = "chaos_planted"

    def ready(self) -> None:
        MISTAKES[os.environ[VARIABLE]].plant()
