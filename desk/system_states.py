"""The states of what Desk runs on: the worker, e-mail, the disk. Shown on the first page of Setup.

Apps add their own with `register` from `AppConfig.ready()`. A state that is not good and names an action also needs
attention (desk.site): one function says each state, and its sentence is the same in both places.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.template.defaultfilters import filesizeformat
from django.urls import reverse

from desk import health, mail
from desk.accounts import mfa
from desk.models import User
from desk.sentences import counted, sentence
from desk.site import Attention, Panel

SEEN_BY = "channels_im.view_channel"  # the permission for the page Health

#: Less free space than this needs attention; below the second, soon nothing can be stored.
LOW_BYTES = 5 * 1024**3
VERY_LOW_BYTES = 1024**3

GOOD, WARNING, DANGER = "success", "warning", "danger"


@dataclass(frozen=True)
class State:
    """What a part does, as one sentence; `level` is GOOD, WARNING or DANGER; `action` and `url` are the way to help."""

    name: str
    sentence: str
    level: str = GOOD
    action: str = ""
    url: str = ""


_registered: list[Callable[[], State | None]] = []
_is_migrated: list[bool] = []


def register(state: Callable[[], State | None]) -> None:
    """Add a state to the first page of Setup; None is not shown."""
    if state not in _registered:
        _registered.append(state)


def states() -> list[State]:
    """Return all states, in the order of registration."""
    return [found for state in _registered if (found := state()) is not None]


def panel(user: User) -> Panel | None:
    """Return the states as a part of the first page, for those who may see the page Health."""
    return Panel("admin/_system.html", {"states": states()}) if user.has_perm(SEEN_BY) else None


def attention(user: User) -> list[Attention]:
    """Return the states that need attention, and the viewer's own login without a second step."""
    items = []
    if user.has_perm(SEEN_BY):
        items = [
            Attention(each.sentence, each.url, each.action, each.level)
            for each in states()
            if each.level != GOOD and each.action
        ]
    return items + _without_second_step(user)


def _without_second_step(user: User) -> list[Attention]:
    """Return a warning for an administrator whose password alone opens Setup, where strangers reach it (https)."""
    is_public = settings.PUBLIC_URL.startswith("https://")
    if not is_public or Authenticator.objects.filter(user=user, type__in=mfa.STEPS).exists():
        return []
    warning = sentence("Your account has no two-step login: whoever knows your password can change everything here.")
    return [Attention(warning, reverse("mfa_index"), sentence("Set up two-step login"))]


def worker() -> State:
    """Return whether the worker runs, and what waits too long."""
    url, action = reverse("setup:health"), sentence("View health")
    report = health.worker_report()
    if report.problems:
        stopped = sentence("Messages are stored, but not shown, and nothing is sent until it runs.")
        return State(sentence("Worker"), f"{report.problems[0]} {stopped}", DANGER, action, url)
    waiting = [problem for part in health.reports().values() for problem in part.problems]
    if waiting:
        return State(sentence("Worker"), " ".join(waiting), WARNING, action, url)
    return State(sentence("Worker"), sentence("The worker is running."))


def e_mail() -> State:
    """Return whether e-mail reaches anybody."""
    url = f"{reverse('setup:health')}#mail"
    if reason := mail.problem():
        return State(sentence("E-mail"), reason, DANGER, sentence("View e-mail"), url)
    if not mail.administrator_addresses():
        return State(sentence("E-mail"), mail.NO_ADDRESS, WARNING, sentence("View people"), reverse("people:list"))
    if settings.EMAIL_HOST:
        return State(sentence("E-mail"), sentence("E-mail is sent by %(server)s.", server=settings.EMAIL_HOST))
    return State(sentence("E-mail"), sentence("E-mail is sent."))


def disk() -> State | None:
    """Return how much space is left where Desk stores the database and files; None where both are elsewhere."""
    folders = [folder for folder in _folders() if folder.exists()]
    if not folders:
        return None
    free = min(shutil.disk_usage(folder).free for folder in folders)
    left = filesizeformat(free)
    level = DANGER if free < VERY_LOW_BYTES else WARNING
    if free >= LOW_BYTES:
        return State(sentence("Disk"), sentence("%(size)s of disk space is free.", size=left))
    only = sentence(
        "Only %(size)s of disk space is free. When it is full, no message can be stored. Free some, or keep less.",
        size=left,
    )
    return State(sentence("Disk"), only, level, sentence("Data retention"), reverse("retention"))


def _folders() -> list[Path]:
    """Return the folders of this machine in which Desk stores what grows."""
    folders = [] if settings.DESK_FILES_URL else [Path(settings.MEDIA_ROOT), Path(settings.DATA_DIR)]
    if connection.vendor == "sqlite":
        folders.append(Path(os.fspath(connection.settings_dict["NAME"])).parent)
    return folders


def update() -> State | None:
    """Return that the database waits for the migrations of this version; None when it has them all."""
    count = _missing_migrations()
    if not count:
        return None
    unfinished = counted(
        "An update is not finished: %(count)s migration did not run. Run manage.py migrate, then restart Desk.",
        "An update is not finished: %(count)s migrations did not run. Run manage.py migrate, then restart Desk.",
        count,
    )
    return State(sentence("Update"), unfinished, DANGER, sentence("View health"), reverse("setup:health"))


def _missing_migrations() -> int:
    """Return how many migrations of this version did not run. Once there are none, this process does not look again."""
    if _is_migrated:
        return 0
    executor = MigrationExecutor(connection)
    count = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if not count:
        _is_migrated.append(True)
    return count
