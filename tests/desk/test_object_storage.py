"""Files in a bucket, against a real server that speaks S3 (moto) on the loopback."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from desk import files_url, health, object_storage, unavailable
from desk.backup import storage_files
from desk.backup.interrupted import check_interrupted
from desk.errors import Refused
from desk.models import User
from desk.storage import undone_on_failure
from tests import factories
from tests.desk.backup import installation as installed
from tests.desk.bucket import BUCKET, keys
from tests.http import streamed
from tests.tickets.views import world
from tests.tickets.views.conftest import as_user, desk  # noqa: F401 - fixtures
from tickets.models import Attachment
from tickets.services.privacy import erasure

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def stored(
    bucket: object_storage.ObjectStorage,
    desk: world.Desk,  # noqa: F811
) -> Attachment:
    """A file of a customer in a conversation that alice sees."""
    return world.attach(world.say(world.make_conversation(desk.shop), ""), "photo.png", CONTENT)


def path(attachment: Attachment) -> str:
    return f"/inbox/{attachment.message.conversation_id}/files/{attachment.pk}/"


# --- Serving ----------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_file_is_stored_in_the_bucket_and_served_to_those_who_may_see_it(
    s3: Any,
    stored: Attachment,
    desk: world.Desk,  # noqa: F811
    as_user: Callable[[User], Client],  # noqa: F811
) -> None:
    assert f"here/{stored.file.name}" in keys(s3)
    answer = as_user(desk.alice).get(path(stored))
    assert answer.status_code == 200
    assert streamed(answer) == CONTENT
    assert as_user(desk.charlie).get(path(stored)).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-9", CONTENT[:10]), ("bytes=300000-700000", CONTENT[300000:700001]), ("bytes=-5", CONTENT[-5:])],
)
def test_a_range_is_read_from_the_bucket(
    stored: Attachment,
    desk: world.Desk,  # noqa: F811
    as_user: Callable[[User], Client],  # noqa: F811
    wanted: str,
    part: bytes,
) -> None:
    answer = as_user(desk.alice).get(path(stored), headers={"Range": wanted})
    assert answer.status_code == 206
    assert streamed(answer) == part


def test_head_asks_for_the_size_and_transfers_nothing(
    stored: Attachment,
    desk: world.Desk,  # noqa: F811
    as_user: Callable[[User], Client],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_storage._Reader, "readinto", lambda *_: pytest.fail("a transfer"))
    answer = as_user(desk.alice).head(path(stored))
    assert answer.headers["Content-Length"] == str(len(CONTENT))


def test_a_large_file_is_read_in_pieces(bucket: object_storage.ObjectStorage) -> None:
    name = bucket.save("large", ContentFile(b"x" * 3_000_000))
    with bucket.open(name) as file:
        file.seek(2_999_990)
        assert file.read(100) == b"x" * 10
        file.seek(0)
        pieces = [len(piece) for piece in iter(lambda: file.read(100_000), b"")]
    assert pieces == [100_000] * 30


def test_a_file_that_is_not_in_the_bucket_is_not_found(
    stored: Attachment,
    desk: world.Desk,  # noqa: F811
    as_user: Callable[[User], Client],  # noqa: F811
) -> None:
    stored.file.storage.delete(stored.file.name or "")
    assert as_user(desk.alice).get(path(stored)).status_code == 404


# --- The storage ------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_file_never_replaces_another(bucket: object_storage.ObjectStorage) -> None:
    first, second = (bucket.save("same.txt", ContentFile(text)) for text in (b"one", b"two"))
    assert first != second
    with bucket.open(first) as opened:
        assert opened.read() == b"one"


def test_no_file_has_an_address_of_its_own(bucket: object_storage.ObjectStorage) -> None:
    with pytest.raises(ValueError, match="checks who may see"):
        bucket.url(bucket.save("a.txt", ContentFile(b"a")))


def test_a_stored_file_is_private(s3: Any, bucket: object_storage.ObjectStorage) -> None:
    bucket.save("a.txt", ContentFile(b"a"))
    grants = s3.get_object_acl(Bucket=BUCKET, Key="here/a.txt")["Grants"]
    assert not [grant for grant in grants if "URI" in grant["Grantee"]]


@pytest.mark.slow
def test_folders_are_listed(bucket: object_storage.ObjectStorage) -> None:
    for name in ("a/b/c.txt", "a/d.txt"):
        bucket.save(name, BytesIO(b"x"))
    assert bucket.listdir("a") == (["b"], ["d.txt"])
    assert bucket.size("a/d.txt") == 1
    assert bucket.exists("a/d.txt")
    assert not bucket.exists("a/e.txt")


@pytest.mark.slow
def test_an_erased_person_leaves_no_file_in_the_bucket(
    s3: Any,
    stored: Attachment,
    desk: world.Desk,  # noqa: F811
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    assert [key for key in keys(s3) if "attachments/" in key]
    with django_capture_on_commit_callbacks(execute=True):
        erasure.erase(desk.root, stored.message.conversation.contact)
    erasure.delete_files()
    assert not [key for key in keys(s3) if "attachments/" in key]


# --- Failures ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def unreachable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> object_storage.ObjectStorage:
    monkeypatch.setattr(object_storage, "ATTEMPTS", 1)
    entry = files_url.storage(f"s3://key:secret@{BUCKET}?endpoint=http://127.0.0.1:9&region=us-east-1")
    settings.STORAGES = {**settings.STORAGES, "default": entry}
    storage = object_storage.in_use()
    assert storage is not None
    return storage


def test_a_service_that_is_away_is_an_os_error_for_every_caller(unreachable: object_storage.ObjectStorage) -> None:
    for call in (
        lambda: unreachable.open("a"),
        lambda: unreachable.save("a", ContentFile(b"a")),
        lambda: unreachable.delete("a"),
        lambda: unreachable.exists("a"),
        lambda: unreachable.size("a"),
        lambda: unreachable.listdir("a"),
    ):
        with pytest.raises(OSError, match="did not answer"):
            call()


def test_a_page_says_that_a_file_cannot_be_read_now(
    desk: world.Desk,  # noqa: F811
    as_user: Callable[[User], Client],  # noqa: F811
    request: pytest.FixtureRequest,
) -> None:
    attachment = world.attach(world.say(world.make_conversation(desk.shop), ""), "photo.png", b"x")
    request.getfixturevalue("unreachable")
    answer = as_user(desk.alice).get(path(attachment))
    assert answer.status_code == 503
    assert answer.headers["Cache-Control"] == "no-store"
    assert "does not answer" in answer.content.decode()
    icon = as_user(desk.root).get(reverse("setup:channel_icon", args=[desk.shop.pk]))
    assert icon.status_code == 503
    assert "does not answer" in icon.content.decode()


def test_an_export_says_that_files_cannot_be_read_now(
    desk: world.Desk,  # noqa: F811
    as_user: Callable[[User], Client],  # noqa: F811
    request: pytest.FixtureRequest,
) -> None:
    attachment = world.attach(world.say(world.make_conversation(desk.shop), ""), "photo.png", b"x")
    pk = attachment.message.conversation_id
    key = factories.make_token(desk.alice)
    request.getfixturevalue("unreachable")
    client = as_user(desk.alice)
    client.raise_request_exception = False
    api = Client(raise_request_exception=False)
    page = client.post(f"/inbox/{pk}/export/")
    answer = api.post(
        f"/api/v1/conversations/{pk}/export/", {}, "application/json", headers={"Authorization": f"Token {key}"}
    )
    assert (page.status_code, answer.status_code) == (503, 503)
    assert unavailable.STORAGE in page.content.decode()
    assert answer.json() == {"detail": unavailable.STORAGE, "code": "unavailable"}
    assert page.headers["Retry-After"] == answer.headers["Retry-After"]


def test_checks_and_readyz_name_a_bucket_that_is_away(unreachable: object_storage.ObjectStorage) -> None:
    [error] = object_storage.check_bucket()
    assert error.id == "desk.E003"
    [problem] = health.media_report().problems
    assert "The storage did not answer a request" in problem


def test_the_check_names_a_bucket_that_does_not_exist(bucket: object_storage.ObjectStorage) -> None:
    assert object_storage.check_bucket() == []
    bucket.bucket_name = "other-bucket"
    [error] = object_storage.check_bucket()
    assert "There is no bucket other-bucket" in error.msg


@pytest.mark.slow
def test_the_check_names_a_bucket_that_everybody_can_read(s3: Any, bucket: object_storage.ObjectStorage) -> None:
    assert health.media_report().values == "ok"
    s3.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    [error] = object_storage.check_bucket()
    assert error.id == "desk.E004"


# --- The setting ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://bucket", "must look like s3://"),
        ("s3://", "must look like s3://"),
        ("s3://bucket?acl=public", "unknown option acl"),
        ("s3://bucket?endpoint=minio:9000", "must begin with https://"),
        ("s3://key@bucket", "a key without a secret"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        files_url.storage(url)


def test_key_and_secret_may_hold_any_character_and_may_be_left_out() -> None:
    options = files_url.storage("s3://k%2Fe:s%40%3A@Bucket-1/a/b/")["OPTIONS"]
    assert options == {"bucket_name": "Bucket-1", "location": "a/b", "access_key": "k/e", "secret_key": "s@:"}
    assert files_url.storage("s3://bucket")["OPTIONS"] == {"bucket_name": "bucket", "location": ""}


def test_without_the_setting_files_are_in_the_data_folder() -> None:
    assert object_storage.in_use() is None
    assert isinstance(storages["default"], FileSystemStorage)


@pytest.mark.slow
def test_the_client_of_s3_is_imported_only_when_it_is_used() -> None:
    unwanted = "{'boto3', 'botocore', 'storages', 'desk.object_storage'}"
    code = f"import django, sys; django.setup(); sys.exit(bool({unwanted} & set(sys.modules)))"
    given = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    assert subprocess.run([sys.executable, "-c", code], env=given, timeout=60, check=False).returncode == 0


# --- Backup -----------------------------------------------------------------------------------------------------------
@pytest.fixture
def installation(transactional_db: None, bucket: object_storage.ObjectStorage, tmp_path: Path) -> Path:
    """A backup of an installation whose files are in the bucket; database and bucket are empty again."""
    installed.fill()
    call_command("backup", str(tmp_path / "desk.zip"), quiet=True)
    return tmp_path / "desk.zip"


def begin_anew() -> None:
    installed.forget_everything()
    storage_files.storage().clear()


@pytest.mark.slow
def test_a_backup_is_restored_into_an_empty_bucket(installation: Path, s3: Any) -> None:
    rows_before, keys_before = installed.digests(), keys(s3)
    assert len(keys_before) == 4
    begin_anew()
    assert not keys(s3)
    call_command("restore", str(installation), stdout=StringIO(), moved=True)
    assert (installed.digests(), keys(s3)) == (rows_before, keys_before)
    assert Attachment.objects.get().file.read() == b"file\0bytes\n"
    call_command("verify_integrity", stdout=StringIO())


@pytest.mark.slow
def test_a_used_bucket_is_refused(installation: Path, s3: Any) -> None:
    installed.forget_everything()
    with pytest.raises(CommandError, match="bucket for files is not empty"):
        call_command("restore", str(installation), stdout=StringIO())
    assert len(keys(s3)) == 4


@pytest.mark.slow
def test_a_restore_that_fails_empties_the_bucket(installation: Path, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_anew()

    def fail(_storage: object) -> None:
        raise OSError(28, "The bucket is full")

    monkeypatch.setattr(storage_files.Bucket, "put_in_place", fail)
    with pytest.raises(CommandError, match="Nothing was restored"):
        call_command("restore", str(installation), stdout=StringIO())
    assert not keys(s3)


@pytest.mark.slow
def test_an_interrupted_restore_is_reported_and_begins_again(
    installation: Path, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_anew()
    storage_files.storage().mark()
    storage_files.storage().stage("attachments/half.png", [b"half"])
    assert [found.id for found in check_interrupted()] == ["desk.E005"]
    with pytest.raises(CommandError, match="is under way, or was interrupted"):
        call_command("restore", str(installation), stdout=StringIO())
    assert len(keys(s3)) == 2, "the other restore, which may run, keeps its files"
    monkeypatch.setattr(storage_files, "ABANDONED_AFTER_S", 0)
    call_command("restore", str(installation), stdout=StringIO(), moved=True)
    assert not check_interrupted()
    assert len(keys(s3)) == 4


def test_a_restore_that_runs_renews_its_mark(
    bucket: object_storage.ObjectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = threading.Event()
    put = object_storage.ObjectStorage.put

    def noting(storage: Any, name: str, content: bytes, *, new: bool) -> None:
        put(storage, name, content, new=new)
        if not new:
            renewed.set()

    monkeypatch.setattr(object_storage.ObjectStorage, "put", noting)
    monkeypatch.setattr(storage_files, "RENEW_EVERY_S", 0.01)
    with storage_files.storage().locked():
        storage_files.storage().mark()
        assert renewed.wait(30)
        with pytest.raises(Refused, match="has just begun"):
            storage_files.storage().mark()
        storage_files.storage().unmark()
    assert not storage_files.storage().restore_was_interrupted()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_missing_files_and_files_that_no_row_names_are_found(
    bucket: object_storage.ObjectStorage, stored: Attachment
) -> None:
    bucket.delete(stored.file.name or "")
    orphan = bucket.save("attachments/orphan.png", ContentFile(b"x"))
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("verify_integrity", stdout=out, stderr=out, older_than=timedelta(0), delete_orphans=True)
    assert f'"{stored.file.name}" is missing' in out.getvalue()
    assert f"{orphan}: no row names this file of 1 bytes" in out.getvalue()
    assert not bucket.exists(orphan)


@pytest.mark.slow
def test_a_file_is_deleted_again_when_its_transaction_fails(bucket: object_storage.ObjectStorage, s3: Any) -> None:
    def save_and_fail() -> None:
        with undone_on_failure():
            bucket.save("attachments/lost.png", ContentFile(b"x"))
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        save_and_fail()
    assert not keys(s3)
