"""What the hosts share: PostgreSQL, Redis, a store that speaks S3, and nginx before the web processes."""

import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import psycopg
import requests
from redis import Redis
from redis.exceptions import RedisError

from chaos.hosts.network import ADDRESSES, SHARED

POSTGRESQL, REDIS, S3 = 5432, 6379, 9000
BUCKET = "desk"
WAIT_S = 30
DATABASE_URL = f"postgres://desk@{SHARED}:{POSTGRESQL}/desk"
SETTINGS = {
    "DATABASE_URL": DATABASE_URL,
    "REDIS_URL": f"redis://{SHARED}:{REDIS}/0",
    "DESK_FILES_URL": f"s3://key:secret@{BUCKET}?endpoint=http://{SHARED}:{S3}&region=us-east-1",
}
NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-1; uwsgi_temp_path {folder}/nginx-2; scgi_temp_path {folder}/nginx-3;
    upstream desk {{ {servers} keepalive 32; }}
    server {{
        listen {port};
        location / {{
            proxy_pass http://desk;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_connect_timeout 1s;
            proxy_read_timeout 5s;
        }}
    }}
}}
"""


@contextmanager
def running(folder: Path, web_port: int, proxy_port: int) -> Iterator[None]:
    """Run them with their data in `folder`, the proxy before the web processes of both hosts."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(_postgresql(folder / "postgresql"))
        _until(_has_database, "PostgreSQL answers")
        redis = ["redis-server", "--port", str(REDIS), "--protected-mode", "no", "--save", "", "--dir", str(folder)]
        processes.append(_started(redis, folder / "redis.log"))
        _until(_redis_answers, "Redis answers")
        moto = [str(Path(sys.executable).parent / "moto_server"), "-H", SHARED, "-p", str(S3)]
        processes.append(_started(moto, folder / "s3.log"))
        _until(_has_bucket, "the store of files answers")
        server = "server {}:{} max_fails=1 fail_timeout=2s;"
        servers = " ".join(server.format(address, web_port) for address in ADDRESSES.values())
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=servers, port=proxy_port))
        processes.append(_started(["nginx", "-c", str(folder / "nginx.conf")], folder / "nginx.log"))
        yield
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def _postgresql(folder: Path) -> "subprocess.Popen[bytes]":
    """Start a cluster of its own, whose data only its user sees: PostgreSQL does not run as root."""
    programs = _postgresql_programs()
    user = "postgres" if "postgres" in {entry.pw_name for entry in pwd.getpwall()} else "nobody"
    folder.mkdir()
    shutil.chown(folder, user)
    _let_in(folder)
    data = str(folder / "data")
    make = [str(programs / "initdb"), "-D", data, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-U", "postgres"]
    subprocess.run(make, check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder)
    (folder / "data" / "pg_hba.conf").write_text("host all all all trust\n")
    given = {"listen_addresses": SHARED, "unix_socket_directories": str(folder), "max_connections": "200"}
    options = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", data, "-p", str(POSTGRESQL), *options]
    return _started(command, folder / "log", user=user, cwd=folder)


def _postgresql_programs() -> Path:
    """Return the folder of the newest PostgreSQL, which Debian has not on PATH. Raises FileNotFoundError."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise FileNotFoundError("PostgreSQL is not installed (Debian: apt-get install postgresql).")
    return found[-1].parent if found else Path(on_path or "").parent


def _let_in(folder: Path) -> None:
    """Let other users pass through the folders above, which belong to this run."""
    for parent in (folder.parent, folder.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o011)


def _started(
    command: list[str], log: Path, *, user: str | None = None, cwd: Path | None = None
) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, user=user, cwd=cwd, env={**os.environ}
        )


def _has_database() -> bool:
    try:
        with psycopg.connect(f"postgresql://postgres@{SHARED}:{POSTGRESQL}/postgres", autocommit=True) as connection:
            connection.execute("CREATE ROLE desk SUPERUSER LOGIN")
            connection.execute("CREATE DATABASE desk OWNER desk")
    except psycopg.OperationalError:
        return False
    return True


def _redis_answers() -> bool:
    try:
        with Redis(SHARED, REDIS) as client:
            return bool(client.ping())
    except RedisError:
        return False


def _has_bucket() -> bool:
    try:
        requests.get(f"http://{SHARED}:{S3}", timeout=2)
    except requests.RequestException:
        return False
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://{SHARED}:{S3}", **keys).create_bucket(Bucket=BUCKET)
    return True


def _until(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"After {WAIT_S} s still not: {what}.")
        time.sleep(0.2)
