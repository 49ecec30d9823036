"""Every task name that may wait in a queue leads to a function: those of today, and those that Desk 0.x queued."""

import pydoc
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TASK = re.compile(r"""["']((?:channels_im|tickets|desk)\.(?:[a-z_]+\.)*tasks\.[a-z_]+)["']""")
QUEUED_BY_0_X = {
    "channels_im.services.connection.mail_administrators",
    "channels_im.services.subscriptions.drain_subscriptions",
    "channels_im.tasks.check_account",
    "channels_im.tasks.check_all",
    "channels_im.tasks.drain_journal",
    "channels_im.tasks.warn_of_ending_logins",
    "tickets.tasks.apply_late_changes",
    "tickets.tasks.delete_erased_files",
    "tickets.tasks.drain_outbox",
    "tickets.tasks.fetch_files",
    "tickets.tasks.fetch_profiles",
    "tickets.tasks.refresh_statistics",
    "tickets.tasks.send_events",
    "tickets.tasks.send_reactions",
    "tickets.tasks.tell_blocks",
}


def named_today() -> set[str]:
    files = (file for app in ("desk", "channels_im", "tickets") for file in (ROOT / app).rglob("*.py"))
    return {name for file in files for name in TASK.findall(file.read_text())}


def test_the_code_names_tasks() -> None:
    assert len(named_today()) >= 10


@pytest.mark.parametrize("name", sorted(QUEUED_BY_0_X | named_today()))
def test_a_queued_name_leads_to_a_function(name: str) -> None:
    assert callable(pydoc.locate(name))  # the look-up of django-q2's worker
