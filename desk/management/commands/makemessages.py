"""Collect the texts of the screens into the catalogues below locale/, as Django does, with those of desk.sentences."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Django's makemessages that also knows desk.sentences."""

    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=sentence", "--keyword=counted:1,2"]
