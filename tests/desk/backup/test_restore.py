"""A backup brings back every row and file, or the restore says why not and changes nothing."""

import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone
from django_q.models import Schedule
from pytest_django.fixtures import Settings

from channels_im.models import Page
from desk.backup import after_restore, create, migration_state, rows, storage_files
from desk.health import record_heartbeat
from desk.models import Heartbeat, User
from tests.desk.backup.installation import TEXT, changed, digests, files_in, fill, forget_everything
from tests.desk.test_key_rotation import forget_keys
from tests.factories import answer, make_department, receive
from tickets.models import Attachment, Conversation, Message, ScheduledReply, Ticket
from tickets.services.inbox import search

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def media(settings: Settings, tmp_path: Path) -> Path:
    """The media folder, as a link to another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "media").symlink_to(tmp_path / "disk")
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def backup(media: Path, tmp_path: Path) -> Path:
    """The backup of an installation that is empty again."""
    fill()
    path = tmp_path / "desk.zip"
    call_command("backup", str(path), quiet=True)
    begin_anew()
    return path


def begin_anew() -> None:
    forget_everything()
    storage_files.storage().clear()


def run_restore(path: Path, **options: Any) -> tuple[str, str]:
    """Restore, and return what was printed: output and notes."""
    out, notes = io.StringIO(), io.StringIO()
    call_command("restore", str(path), stdout=out, stderr=notes, **options)
    return out.getvalue(), notes.getvalue()


def is_empty() -> bool:
    rows_left = User.objects.exists() or Message.objects.exists()
    return not rows_left and not list(storage_files.MediaFolder().root.iterdir())


@pytest.mark.slow
def test_everything_comes_back(media: Path, tmp_path: Path) -> None:
    fill()
    last_ticket = Ticket.objects.get().pk
    Ticket.objects.create(
        conversation=Conversation.objects.get(),
        department=make_department(),
        opened_at=timezone.now(),
        last_message_at=timezone.now(),
    ).delete()
    rows_before, files_before = digests(), files_in(media)
    assert len(files_before) == 4
    token, text = Page.objects.get().page_token, Message.objects.order_by("pk")[0].text
    printed = io.StringIO()
    call_command("backup", str(tmp_path / "desk.zip"), stdout=printed)
    assert stat.S_IMODE((tmp_path / "desk.zip").stat().st_mode) == 0o600
    begin_anew()

    out, notes = run_restore(tmp_path / "desk.zip", moved=True)

    assert digests() == rows_before
    assert files_in(media) == files_before
    assert printed.getvalue().splitlines() == [line for line in out.splitlines() if line in printed.getvalue()]
    assert f"{rows_before['tickets_message'][2]}" in out
    assert notes == ""
    assert Page.objects.get().page_token == token
    assert text == TEXT
    assert Permission.objects.filter(group__name="Erasers", codename="erase_contact").exists()
    # Numbers go on where they were, also after rows that were deleted.
    conversation = Conversation.objects.get()
    late = Message.objects.get(pk=receive(conversation, "Searched for", at=timezone.now()).pk)
    assert late.ticket_id == last_ticket + 2
    assert not storage_files.storage().restore_was_interrupted()


@pytest.mark.slow
def test_the_words_of_restored_messages_are_found(backup: Path) -> None:
    run_restore(backup)
    assert search.find(Conversation.objects.all(), "gruße").messages
    assert search.find(Conversation.objects.all(), "olafur").people


@pytest.mark.slow
def test_a_backup_does_not_stop_writers_and_shows_one_moment(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = fill()
    before = digests()
    read = rows.read
    written: list[int] = []

    def write() -> None:
        try:
            written.append(receive(conversation, "Meanwhile").pk)
        finally:
            connections.close_all()

    def read_while_others_write(model: rows.Model) -> Iterator[list[Any]]:
        yield from read(model)
        if not written:
            thread = threading.Thread(target=write)
            thread.start()
            thread.join(timeout=15)
            assert written, "the writer had to wait for the backup"

    monkeypatch.setattr(rows, "read", read_while_others_write)
    manifest, _lacking = create.write_file(tmp_path / "desk.zip")
    assert Message.objects.filter(pk=written[0]).exists()
    assert {name: entry.sha256 for name, entry in manifest.tables.items()} == {
        name: sha256 for name, (_rows, _size, sha256) in before.items()
    }


@pytest.mark.slow
def test_files_that_cannot_be_stored_are_named(media: Path, tmp_path: Path) -> None:
    fill()
    name = str(Attachment.objects.get().file)
    (media / name).unlink()
    notes = io.StringIO()
    call_command("backup", str(tmp_path / "gone.zip"), quiet=True, stderr=notes)
    assert f"{name!r} is not in the backup: The file does not exist." in notes.getvalue()
    (media / name).mkdir()  # cannot be read, also by root
    with pytest.raises(CommandError, match="lacks 1 files that exist and cannot be read"):
        call_command("backup", str(tmp_path / "unreadable.zip"), quiet=True, stderr=notes)
    begin_anew()
    out, _notes = run_restore(tmp_path / "unreadable.zip")
    assert "1 files that rows name were missing" in out
    assert len(files_in(media)) == 3


def test_a_backup_overwrites_nothing(media: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("precious")
    (tmp_path / "b").symlink_to("nowhere")
    for name in ("a", "b"):
        with pytest.raises(CommandError, match="exists already"):
            call_command("backup", str(tmp_path / name))
    assert (tmp_path / "a").read_text() == "precious"
    with pytest.raises(CommandError, match="cannot be written to: No such file"):
        call_command("backup", str(tmp_path / "no" / "folder"))


def test_a_full_disk_leaves_nothing(media: Path, tmp_path: Path) -> None:
    fill()
    (media / "big").write_bytes(os.urandom(300_000))
    Attachment.objects.update(file="big")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(CommandError, match="does not fit on its disk"):
            call_command("backup", str(tmp_path / "desk.zip"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not [path for path in tmp_path.iterdir() if "desk.zip" in path.name]


def test_a_used_database_is_refused(backup: Path) -> None:
    make_department("Already here")
    with pytest.raises(CommandError, match="database is not empty: desk_department has rows"):
        run_restore(backup)
    assert not User.objects.exists()


def test_a_used_media_folder_is_refused(backup: Path, media: Path) -> None:
    (media / "pages").mkdir()
    (media / "pages" / "mine.png").write_text("mine")
    with pytest.raises(CommandError, match=r"is not empty: it has pages/mine\.png"):
        run_restore(backup)
    assert not User.objects.exists()
    assert (media / "pages" / "mine.png").read_text() == "mine"


def test_a_running_desk_is_refused(backup: Path) -> None:
    record_heartbeat()
    with pytest.raises(CommandError, match="Desk runs on this database"):
        run_restore(backup)
    assert is_empty()


def test_a_newer_desk_is_named(backup: Path, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        manifest["migrations"]["tickets"] = ["0099_future"]
        members["manifest.json"] = json.dumps(manifest).encode()

    (tmp_path / "newer.zip").write_bytes(changed(backup.read_bytes(), change))
    with pytest.raises(CommandError, match=r"newer Desk .* needs the migration tickets\.0099_future"):
        run_restore(tmp_path / "newer.zip")
    assert is_empty()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["put_in_place", "stage"])
def test_a_restore_that_fails_leaves_nothing(backup: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage_files.MediaFolder, place, fail)
    with pytest.raises(CommandError, match=r"No space left on device.*Nothing was restored"):
        run_restore(backup)
    assert is_empty()
    monkeypatch.undo()
    run_restore(backup)
    assert Message.objects.count() == 3


class Killed(BaseException):
    """Stands for a process that was killed: nothing of it runs any more."""


def test_a_restore_that_was_killed_is_reported_and_begins_again(backup: Path, media: Path, monkeypatch: Any) -> None:
    def die(*_arguments: object) -> None:
        raise Killed

    monkeypatch.setattr(rows, "check_references", die)
    monkeypatch.setattr(storage_files.MediaFolder, "clear", lambda _: None)  # a dead process cleans up nothing
    with pytest.raises(Killed):
        run_restore(backup)
    monkeypatch.undo()
    assert not User.objects.exists()
    with pytest.raises(CommandError, match="A restore was interrupted here"):
        call_command("preflight", before_migrate=True)
    with pytest.raises(CommandError, match="A restore was interrupted here"):
        call_command("check")
    run_restore(backup)
    assert len(files_in(media)) == 4
    assert Message.objects.count() == 3
    call_command("check")


def test_a_restore_that_was_killed_at_its_very_end_is_finished(backup: Path, media: Path, monkeypatch: Any) -> None:
    def die(*_arguments: object) -> None:
        raise Killed

    monkeypatch.setattr(after_restore, "run", die)
    with pytest.raises(Killed):
        run_restore(backup)
    monkeypatch.undo()
    with pytest.raises(CommandError, match="A restore was interrupted here"):
        call_command("preflight", before_migrate=True)
    run_restore(backup)
    assert Message.objects.count() == 3
    assert not Heartbeat.objects.exists()
    call_command("check")


def test_the_end_of_a_process_leaves_nothing(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM, as from systemd: `backup` leaves no part of an archive, `restore` neither rows nor files."""
    fill()
    call_command("backup", str(tmp_path / "whole.zip"), quiet=True)

    def be_ended(*_arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(rows, "last_number", be_ended)
        with pytest.raises(SystemExit):
            call_command("backup", str(tmp_path / "part.zip"), quiet=True)
    assert not [path for path in tmp_path.iterdir() if "part" in path.name]
    begin_anew()
    with monkeypatch.context() as patch:
        patch.setattr(rows, "check_references", be_ended)
        with pytest.raises(SystemExit):
            run_restore(tmp_path / "whole.zip")
    assert is_empty()


def test_another_key_is_told_and_the_tokens_stay(backup: Path, settings: Settings) -> None:
    key = settings.SECRET_KEY
    settings.SECRET_KEY = "another-" * 8
    forget_keys()
    try:
        _out, notes = run_restore(backup)
        assert "made with another DESK_SECRET_KEY" in notes
        assert "1 values of channels_im.Page.page_token cannot be decrypted" in notes
        settings.SECRET_KEY_FALLBACKS = [key]
        forget_keys()
        assert str(Page.objects.get().page_token).startswith("page-token-")
    finally:
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = key, []
        forget_keys()


def test_the_archive_does_not_contain_the_key(backup: Path, settings: Settings) -> None:
    with zipfile.ZipFile(backup) as archive:
        for name in archive.namelist():
            assert settings.SECRET_KEY.encode() not in archive.read(name)


@pytest.mark.slow
def test_a_backup_of_the_first_release_is_migrated(media: Path) -> None:
    """The archive has the tables as 1.0.0 made them, before two models got new names, but for its API tokens."""
    run_restore(Path(__file__).with_name("desk-1.0.0.zip"))
    [text, _reply] = Message.objects.order_by("pk").values_list("text", flat=True)
    assert text == TEXT
    assert str(Page.objects.get().page_token).startswith("page-token-")
    assert len(files_in(media)) == 2
    assert search.find(Conversation.objects.all(), "gruße").messages
    assert migration_state.is_current()
    assert Schedule.objects.filter(name="check Facebook").exists()


@pytest.mark.slow
def test_replies_that_the_old_desk_may_have_sent_are_looked_up(media: Path, tmp_path: Path) -> None:
    conversation = fill()
    answer(conversation, "Queued", state="queued")
    answer(conversation, "Later", state="held", waits_for_customer=True)
    Conversation.objects.update(holds_reply=True)
    at = timezone.now() + timedelta(hours=1)
    ScheduledReply.objects.create(
        conversation=conversation, text="Tomorrow", send_at=at, due_at=at, client_key="k", state="scheduled"
    )
    call_command("backup", str(tmp_path / "desk.zip"), quiet=True)
    begin_anew()
    _out, notes = run_restore(tmp_path / "desk.zip")
    assert "1 reply was on its way" in notes
    assert "1 reply was held until the customer writes" in notes
    assert "are back with this backup: erase them again" in notes
    assert Message.objects.get(text="Queued").state == "unsure"
    later = Message.objects.get(text="Later")
    assert (later.state, later.waits_for_customer) == ("held", False)
    assert not Conversation.objects.get().holds_reply
    assert "1 reply was scheduled" in notes
    tomorrow = ScheduledReply.objects.get(text="Tomorrow")
    assert (tomorrow.state, tomorrow.due_at) == ("not_sent", None)
    begin_anew()
    _out, notes = run_restore(tmp_path / "desk.zip", moved=True)
    assert notes == ""
    assert Message.objects.get(text="Queued").state == "queued"
    assert Message.objects.get(text="Later").waits_for_customer
    assert ScheduledReply.objects.get(text="Tomorrow").due_at == at


def test_the_check_reads_everything_and_restores_nothing(backup: Path) -> None:
    out, _notes = run_restore(backup, check=True)
    assert "The archive is complete." in out
    assert is_empty()


def test_no_table_of_an_archive_refers_to_one_that_is_left_out() -> None:
    tables = {model._meta.db_table for model in rows.tables(apps)}
    for model in rows.tables(apps):
        for field in model._meta.concrete_fields:
            assert field.related_model is None or field.related_model._meta.db_table in tables
    everything = set(connection.introspection.table_names())
    kept = {name for name in everything if "_search" not in name and not name.startswith("sqlite_")}
    assert kept == tables | rows.LEFT_OUT.keys()


@pytest.mark.slow
def test_the_rows_are_read_in_batches(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", 1)
    run_restore(backup)
    assert Message.objects.count() == 3


@pytest.mark.postgresql
def test_a_backup_moves_from_postgresql_to_sqlite_and_back(media: Path, tmp_path: Path) -> None:
    fill()
    rows_before, files_before = digests(), files_in(media)
    call_command("backup", str(tmp_path / "there.zip"), quiet=True)
    begin_anew()
    settings = {**os.environ, "DESK_DATA_DIR": str(tmp_path / "sqlite"), "DESK_SECRET_KEY": "k" * 60}
    settings["DJANGO_SETTINGS_MODULE"] = "desk.settings"
    settings.pop("DATABASE_URL")
    for command in (["restore", "--moved", tmp_path / "there.zip"], ["backup", "-"]):
        with (tmp_path / "back.zip").open("wb") as output:
            subprocess.run([sys.executable, "manage.py", *command], env=settings, stdout=output, check=True)
    run_restore(tmp_path / "back.zip", moved=True)
    assert digests() == rows_before
    assert files_in(media) == files_before
