"""Files in a bucket of an S3-compatible service (DESK_FILES_URL). Imported only when that setting is used.

Files are private: a view that checks permissions reads them from the bucket and sends them on. Errors are those of a
file system (FileNotFoundError, OSError), so that no caller has to know where the files are.
"""

import errno
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.client import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from django.core import checks
from django.core.files.base import File
from django.core.files.storage import storages
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError

from desk.storage import SavedFiles

BUFFER_SIZE = 262_144  # bytes of an open file that are held in memory
CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ATTEMPTS = 5, 30, 3
EVERYBODY = re.compile(r"/groups/global/(AllUsers|AuthenticatedUsers)$")
MISSING = {"404", "NoSuchKey", "NotFound"}  # English only: for S3 and the log
TAKEN = {"412", "409", "PreconditionFailed", "ConditionalRequestConflict"}  # English only: for S3 and the log


@contextmanager
def _os_errors(name: str) -> Iterator[None]:
    """Raise FileNotFoundError for an object that is not there, OSError for every other failure of the service."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in MISSING:  # English only: for S3 and the log
            raise FileNotFoundError(f"The bucket has no file {name}.") from error  # English only: for S3 and the log
        refused = f"The storage refused a request for {name}: {error}"  # English only: for the log
        raise OSError(errno.EIO, refused) from error
    except (BotoCoreError, HTTPClientError, HTTPError) as error:
        silent = f"The storage did not answer a request for {name}: {error}"  # English only: for the log
        raise OSError(errno.EIO, silent) from error


class ObjectStorage(SavedFiles, S3Storage):
    """A private bucket as a storage of Django."""

    def get_default_settings(self) -> dict[str, Any]:
        """Return settings for any S3-compatible service; never a public file, never one that replaces another."""
        config = Config(
            signature_version="s3v4",
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            # Checksums that only AWS understands are left out where the service does not ask for them.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        private = {"default_acl": None, "file_overwrite": False, "querystring_auth": True, "client_config": config}
        return {**super().get_default_settings(), **private}

    @property
    def client(self) -> Any:
        """Return the client of the service."""
        return self.connection.meta.client

    def key(self, name: str) -> str:
        """Return the object's key for a name in the storage."""
        return self._normalize_name(name.replace("\\", "/"))

    def url(self, name: str | None, *arguments: Any, **named: Any) -> str:
        """Refuse: no file has an address of its own."""
        raise ValueError("Files are sent only by a view that checks who may see them.")

    def _open(self, name: str, mode: str = "rb") -> Any:
        if mode != "rb":
            raise ValueError("A file in the bucket is only read; save a new one to write.")
        with _os_errors(name):
            return RemoteFile(self, name)

    def _save(self, name: str, content: Any) -> str:
        with _os_errors(name):
            return super()._save(name, content)

    def delete(self, name: str) -> None:
        """Delete a file; one that is not there is no error."""
        with _os_errors(name):
            super().delete(name)

    def exists(self, name: str) -> bool:
        """Return whether there is such a file. Raises OSError when the service does not say."""
        try:
            with _os_errors(name):
                self.client.head_object(Bucket=self.bucket_name, Key=self.key(name))
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """Return the size in bytes."""
        with _os_errors(name):
            return super().size(name)

    def age_s(self, name: str) -> float:
        """Return how many seconds ago a file was written, by the clock of the service. Raises FileNotFoundError."""
        with _os_errors(name):
            head = self.client.head_object(Bucket=self.bucket_name, Key=self.key(name))
        now = parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["date"])  # English only: for S3 and the log
        return (now - head["LastModified"]).total_seconds()  # English only: for S3 and the log

    def put(self, name: str, content: bytes, *, new: bool) -> None:
        """Write a small file under exactly this name. Raises FileExistsError when `new` and it is there already.

        A service that knows no conditional writes overwrites it.
        """
        condition = {"IfNoneMatch": "*"} if new else {}  # English only: for S3 and the log
        with _os_errors(name):
            try:
                self.client.put_object(Bucket=self.bucket_name, Key=self.key(name), Body=content, **condition)
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code")  # English only: for S3 and the log
                if code in TAKEN:
                    taken = f"The bucket has a file {name} already."  # English only: for the log
                    raise FileExistsError(errno.EEXIST, taken) from error
                if not new or code != "NotImplemented":  # English only: for S3 and the log
                    raise
                self.client.put_object(Bucket=self.bucket_name, Key=self.key(name), Body=content)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        """Return the folders and files in a folder."""
        with _os_errors(path):
            return super().listdir(path)


class RemoteFile(File):  # type: ignore[type-arg] # Django's own class is not generic when it runs
    """An object that is read in pieces, from any position; raises FileNotFoundError at once when it is not there."""

    def __init__(self, storage: ObjectStorage, name: str) -> None:
        self._raw = _Reader(storage, name)
        super().__init__(io.BufferedReader(self._raw, BUFFER_SIZE), name)

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._raw.length


class _Reader(io.RawIOBase):
    def __init__(self, storage: ObjectStorage, name: str) -> None:
        self._storage, self._name, self._position = storage, name, 0
        self._body: Any = None
        self._object = {"Bucket": storage.bucket_name, "Key": storage.key(name)}  # English only: for S3 and the log
        head = storage.client.head_object(**self._object)
        self.length: int = head["ContentLength"]  # English only: for S3 and the log
        self._etag: str = head["ETag"]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.length}[whence]
        position = max(0, start + offset)
        if position != self._position:
            self._end_transfer()
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self.length:
            return 0
        with _os_errors(self._name):
            if self._body is None:
                wanted = f"bytes={self._position}-"
                answer = self._storage.client.get_object(**self._object, Range=wanted, IfMatch=self._etag)
                self._body = answer["Body"]  # English only: for S3 and the log
            piece = self._body.read(len(buffer))
        if not piece:
            place = f"{self._position} of {self.length} bytes"
            raise OSError(errno.EIO, f"The storage ended {self._name} after {place}.")  # English only: for the log
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._end_transfer()
        super().close()

    def _end_transfer(self) -> None:
        """End a transfer before its end; the connection cannot be used for another request."""
        if self._body is not None:
            self._body.close()
            self._body = None


# --- Checks -----------------------------------------------------------------------------------------------------------
def in_use() -> ObjectStorage | None:
    """Return the bucket when files are stored in one."""
    storage = storages["default"]
    return storage if isinstance(storage, ObjectStorage) else None


def problem(storage: ObjectStorage) -> str:
    """Return why the bucket cannot be used, or ""."""
    try:
        with _os_errors(storage.bucket_name):
            storage.client.head_bucket(Bucket=storage.bucket_name)
    except FileNotFoundError:
        return f"There is no bucket {storage.bucket_name}."  # English only: for S3 and the log
    except OSError as error:
        return f"The bucket {storage.bucket_name} cannot be used. {error}"  # English only: for S3 and the log
    return ""


def is_public(storage: ObjectStorage) -> bool:
    """Return whether the bucket's policy or access list lets everybody in."""
    bucket = {"Bucket": storage.bucket_name}  # English only: for S3 and the log

    def ask(call: Callable[..., Any]) -> dict[str, Any]:
        try:
            return call(**bucket)
        except (ClientError, BotoCoreError):
            return {}  # no policy, or a service without policies or lists, or no right to read them

    policy = ask(storage.client.get_bucket_policy_status).get("PolicyStatus", {})  # English only: for S3
    if policy.get("IsPublic"):  # English only: for S3
        return True
    grants = ask(storage.client.get_bucket_acl).get("Grants", [])  # English only: for S3 and the log
    grantees = (grant.get("Grantee", {}) for grant in grants)  # English only: for S3
    return any(EVERYBODY.search(grantee.get("URI", "")) for grantee in grantees)


def check_bucket(**_options: Any) -> list[checks.CheckMessage]:
    """Name a bucket that cannot be reached, or that everybody can read."""
    storage = in_use()
    if storage is None:
        return []
    if sentence := problem(storage):
        hint = (  # English only: for the console
            "Check DESK_FILES_URL, the credentials, and that the bucket exists in that region."
        )
        return [checks.Error(sentence, hint=hint, id="desk.E003")]
    if is_public(storage):
        bucket = storage.bucket_name
        sentence = (
            f"The bucket {bucket} is public: everybody can read customers' files."  # English only: for the console
        )
        hint = (  # English only: for the console
            "Block public access to the bucket, in its policy and in its access list."
        )
        return [checks.Error(sentence, hint=hint, id="desk.E004")]
    return []


def register() -> None:
    """Register the check. Call it from `AppConfig.ready()` where DESK_FILES_URL is set."""
    checks.register(check_bucket, checks.Tags.security, deploy=True)
