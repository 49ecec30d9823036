"""Build the environment of the processes: chosen for the demo, checked for a real installation."""

import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from desk import public_url
from launcher.errors import CannotStart

ROOT = Path(__file__).resolve().parent.parent
WEB_PORT, SANDBOX_PORT = 8000, 8090

# The app that the sandbox knows (sandbox/README.md).
DEMO_APP = {
    "META_APP_ID": "100000000000001",
    "META_APP_SECRET": "sandbox-app-secret",
    "META_VERIFY_TOKEN": "sandbox-verify-token",
}
NEEDED_TO_SERVE = {
    "DESK_SECRET_KEY": "a long random text; it signs sessions and encrypts Facebook tokens",
    "DESK_PUBLIC_URL": "the address at which people and Meta reach Desk, such as https://desk.example.com",
    "META_APP_ID": "the id of your Meta app",
    "META_APP_SECRET": "the secret of your Meta app",
    "META_VERIFY_TOKEN": "the verify token that you enter in your Meta app's webhook settings",
    "EMAIL_URL": "the mail server, such as smtp+tls://user:password@mail.example.com:587, or none",
}


def common(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy with what every process needs: the environment's programs first on PATH, unbuffered output."""
    programs = Path(sys.executable).parent
    return {
        "DESK_BIND": "127.0.0.1",
        **environment,
        "PATH": f"{programs}{os.pathsep}{environment.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "desk.settings",
    }


def data_dir(environment: Mapping[str, str]) -> Path:
    """Return the data folder, created when missing. Raise CannotStart when that fails."""
    folder = Path(environment.get("DESK_DATA_DIR") or ROOT / "var").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(
            f"The data folder {folder} cannot be created ({error.strerror}). Choose another one: DESK_DATA_DIR=…"
        ) from None
    return folder


def secret_key(folder: Path) -> str:
    """Return the demo's secret key, created once in `folder` and readable only by its owner."""
    path = folder / "secret-key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = path.read_text().strip()
        if not kept:
            raise CannotStart(f"The file {path} is empty. Delete it and start again.") from None
        return kept
    key = secrets.token_urlsafe(50)
    with os.fdopen(descriptor, "w") as file:
        file.write(key + "\n")
    return key


def demo(environment: Mapping[str, str], *, port: int, sandbox_port: int) -> dict[str, str]:
    """Return the environment of `make run`, with the sandbox in place of Meta.

    Keep other settings, such as DATABASE_URL, but no META_ variable: the demo must never reach a real Page.
    """
    folder = data_dir(environment)
    desk, sandbox = f"http://localhost:{port}", f"http://localhost:{sandbox_port}"
    kept = {name: value for name, value in common(environment).items() if not name.startswith(("META_", "SANDBOX_"))}
    return {
        **kept,
        **DEMO_APP,
        "PORT": str(port),
        "DESK_BIND": "127.0.0.1",  # its passwords and secrets are public
        "DESK_DATA_DIR": str(folder),
        "DESK_SECRET_KEY": secret_key(folder),
        "DESK_PUBLIC_URL": desk,
        "META_GRAPH_URL": sandbox,
        "META_DIALOG_URL": sandbox,
        "META_MEDIA_HOSTS": f".fbcdn.net,.fbsbx.com,localhost:{sandbox_port}",
        "SANDBOX_PORT": str(sandbox_port),
        "SANDBOX_PUBLIC_URL": sandbox,
        "SANDBOX_STATE_DIR": str(folder / "sandbox"),
        "SANDBOX_WEBHOOK_URL": f"{desk}/webhooks/messenger/",
        "SANDBOX_DEAUTHORIZE_URL": f"{desk}/meta/deauthorize/",
        "SANDBOX_DATA_DELETION_URL": f"{desk}/meta/data-deletion/",
        "SANDBOX_REDIRECT_URIS": ",".join(
            f"http://{host}:{port}/accounts/facebook/login/callback/" for host in ("localhost", "127.0.0.1")
        ),
    }


def serve(environment: Mapping[str, str], *, port: int) -> dict[str, str]:
    """Return the environment of `make serve`. Raise CannotStart with the names of all missing settings."""
    missing = [f"{name} ({meaning})" for name, meaning in NEEDED_TO_SERVE.items() if not environment.get(name)]
    if missing:
        raise CannotStart(
            "make serve reads its settings from the environment. Not set: "
            + "; ".join(missing)
            + ". docs/operations.md describes all settings. To try Desk without a Meta app: make run"
        )
    try:
        url = public_url.normalise(environment["DESK_PUBLIC_URL"])
    except ValueError as sentence:
        raise CannotStart(str(sentence)) from None
    if environment["EMAIL_URL"].startswith("consolemail:"):
        raise CannotStart(
            "EMAIL_URL=consolemail:// prints links that reset passwords into the log. Set it to a mail server, or to "
            "none: then Desk sends no e-mail."
        )
    return {
        **common(environment),
        "PORT": str(port),
        "DESK_PUBLIC_URL": url,
        "DESK_DATA_DIR": str(data_dir(environment)),
    }
