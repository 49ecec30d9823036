"""`manage.py reencrypt`: encrypt every token and secret with the current DESK_SECRET_KEY."""

from typing import Any

from django.core.management.base import BaseCommand

from desk import key_rotation


class Command(BaseCommand):
    help = (
        "Encrypt with the current key what an old one encrypted. Desk may run meanwhile; a second run changes nothing."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        found = key_rotation.inspect(reencrypt=True)
        for column in found:
            left = column.old - column.changed
            self.stdout.write(
                f"{column}: {column.changed} encrypted anew, {column.current} had the current key, "
                f"{column.unreadable} cannot be decrypted" + (f", {left} changed meanwhile" if left else "")
            )
        now = key_rotation.inspect()
        if any(column.unreadable for column in now):
            self.stdout.write("What cannot be decrypted needs a key that is not in DESK_SECRET_KEY_FALLBACKS.")
        elif any(column.old for column in now):
            self.stdout.write("A process with the old key wrote meanwhile. Restart all processes, then run this again.")
        else:
            self.stdout.write(
                "No stored value needs an old key any more. When all processes run with the new key, remove the old "
                "one from DESK_SECRET_KEY_FALLBACKS and restart."
            )
