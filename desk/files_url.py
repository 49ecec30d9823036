"""Read DESK_FILES_URL: the bucket for customers' files, pictures and icons, in place of the data folder."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

BACKEND = "desk.object_storage.ObjectStorage"
EXAMPLE = "s3://bucket?endpoint=https://s3.example.com&region=eu-central-1"
OPTIONS = {"endpoint": "endpoint_url", "region": "region_name"}


def storage(url: str) -> dict[str, Any]:
    """Return the entry for STORAGES: `s3://[key:secret@]bucket[/folder][?endpoint=…&region=…]`.

    Without key and secret, they come from the usual places of AWS (AWS_ACCESS_KEY_ID …, a role of the machine). Raises
    ValueError with a sentence.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != "s3" or not parts.hostname:
        raise ValueError(f"DESK_FILES_URL must look like {EXAMPLE}")
    if unknown := sorted(query.keys() - OPTIONS.keys()):
        raise ValueError(f"DESK_FILES_URL has the unknown option {unknown[0]}. It knows: endpoint, region.")
    endpoint = query.get("endpoint", "https://")
    if not endpoint.startswith(("https://", "http://")):
        raise ValueError("The endpoint in DESK_FILES_URL must begin with https:// (or http:// on this machine).")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("DESK_FILES_URL has a key without a secret, or a secret without a key. Write both, or none.")
    options: dict[str, Any] = {"bucket_name": parts.netloc.rpartition("@")[2], "location": parts.path.strip("/")}
    options |= {OPTIONS[name]: value for name, value in query.items() if value}
    if parts.username:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")}
    return {"BACKEND": BACKEND, "OPTIONS": options}
