"""A bucket of a real server that speaks S3 (moto) on the loopback, in which Desk keeps its files.

What speaks S3 is imported by the fixtures, so that tests without a bucket do not wait for it.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django.fixtures import Settings

from desk import files_url

if TYPE_CHECKING:
    from desk.object_storage import ObjectStorage

BUCKET = "desk-files"
KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="module")
def s3_client(server: str) -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=server, **KEYS)


@pytest.fixture
def s3(s3_client: Any) -> Iterator[Any]:
    client = s3_client
    client.create_bucket(Bucket=BUCKET)
    yield client
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def bucket(s3: Any, server: str, settings: Settings) -> "ObjectStorage":
    """Desk with DESK_FILES_URL: what is stored lands in the bucket, below the folder `here`."""
    from desk import object_storage

    entry = files_url.storage(f"s3://key:secret@{BUCKET}/here?endpoint={server}&region=us-east-1")
    settings.STORAGES = {**settings.STORAGES, "default": entry}
    storage = object_storage.in_use()
    assert storage is not None
    return storage


def keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
