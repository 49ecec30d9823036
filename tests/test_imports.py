"""The import rules of docs/architecture.md, kept by reading the imports of every file."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ["desk", "channels_im", "tickets"]  # each may import itself and those before it
NAMES_ALL_APPS = {"desk.settings", "desk.urls", "desk.asgi", "desk.wsgi"}
SANDBOX = "sandbox"

# Inside an app, from the top down: a layer may import its own and those below it.
DOORS = {"views", "admin", "tasks", "api", "webhook", "setup", "adapters", "urls", "forms", "management", "demo"}
LAYERS = [("door", DOORS), ("service", {"services"}), ("model", {"models", "migrations"}), ("client", {"messenger"})]
# Pure: nothing of Django but its time zones and texts, and of ours only what knows no model either.
PURE = re.compile(
    r"tickets\.rules(\..+)?"
    r"|channels_im\.messenger\.(signature|errors|error_table|verdicts|events|event_types|values|cards|attachments"
    r"|webhook|files|file_signatures)"
)
PURE_MAY_IMPORT = re.compile(r"(django\.utils\.(timezone|translation)|tickets\.rules|channels_im\.messenger)(\..+)?")


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything the source imports, relative names made whole.

    `from a.b import c` yields a.b.c: c may be a module or a name in a.b, and either is judged by its beginning.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{whole}.{alias.name}"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name | ast.Attribute)
            and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr)
            in {"import_module", "import_string", "__import__"}
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            yield node.lineno, str(node.args[0].value)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def layer(name: str) -> int | None:
    """Return the place of a module of an app in LAYERS, or None when it belongs to none."""
    parts = name.split(".")
    for place, (_, rooms) in enumerate(LAYERS):
        if len(parts) > 1 and parts[1] in rooms:
            return place
    return None


def offences(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Return a sentence for each import of `module` that the rules forbid."""
    return [
        f"{module}:{line} imports {name}: {reason}"
        for line, name in imports(source, module, is_package=is_package)
        if (reason := forbidden(module, name))
    ]


def forbidden(module: str, name: str) -> str | None:
    """Return why `module` may not import `name`, or None when it may."""
    if within(module, SANDBOX):
        ours = any(within(name, app) for app in APPS) and not within(name, SANDBOX)
        return "the sandbox imports nothing of ours" if ours else None
    if within(name, SANDBOX):
        return "nothing imports the sandbox"
    app = module.split(".")[0]
    if app not in APPS:
        return None
    for later in APPS[APPS.index(app) + 1 :]:
        if within(name, later) and module not in NAMES_ALL_APPS:
            return "imports run tickets → channels_im → desk"
    if PURE.fullmatch(module):
        return forbidden_in_pure(name)
    return forbidden_by_layer(module, name) if within(name, app) else None


def forbidden_in_pure(name: str) -> str | None:
    watched = within(name, "django") or any(within(name, app) for app in APPS)
    return "a pure module knows neither Django nor models" if watched and not PURE_MAY_IMPORT.fullmatch(name) else None


def forbidden_by_layer(module: str, name: str) -> str | None:
    mine, theirs = layer(module), layer(name)
    if mine is None or theirs is None or theirs >= mine:
        return None
    return f"a {LAYERS[mine][0]} imports no {LAYERS[theirs][0]}"


def files() -> Iterator[tuple[str, Path]]:
    """Yield (dotted name, path) of every Python file of the apps, the launcher and the benchmark."""
    for folder in [*APPS, SANDBOX, "launcher", "bench"]:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_every_import_in_the_house_follows_the_rules():
    found = [
        sentence
        for module, path in files()
        for sentence in offences(module, path.read_text(), is_package=path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


def test_the_files_of_all_apps_are_read():
    modules = {module for module, _ in files()}
    assert {"desk.models", "channels_im.models.channels", "tickets.models.message"} <= modules


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("desk.live.publish", "from channels_im.models import Page"),
        ("desk.live.publish", "def later():\n    from tickets.models import Ticket"),
        ("desk.live.publish", "import tickets"),
        ("desk.live.publish", "import_module('tickets.tasks')"),
        ("channels_im.services.journal.store", "from tickets.services import threads"),
        ("channels_im.models.channels", "from channels_im.services import journal"),
        ("channels_im.models.channels", "from ..services import journal"),
        ("channels_im.messenger.client", "from channels_im.services.facebook.connection import require_reauth"),
        ("tickets.services.conversation.messages", "from tickets.views.inbox import show"),
        ("tickets.services.conversation.messages", "from tickets import tasks"),
        ("tickets.rules.window", "from tickets.models import Message"),
        ("tickets.rules.window", "from django.db import models"),
        ("tickets.rules.window", "from django.conf import settings"),
        ("channels_im.messenger.signature", "from channels_im.models import Page"),
        ("channels_im.messenger.signature", "from django.http import HttpRequest"),
        ("channels_im.messenger.send_api", "from channels_im.models import Page"),
        ("tickets.views.inbox", "from sandbox import world"),
        ("sandbox.world", "from channels_im.messenger import signature"),
        ("sandbox.graph.send", "from channels_im import models"),
        ("sandbox.world", "from desk.encryption import Secret"),
        ("launcher.__main__", "import sandbox.world"),
    ],
)
def test_a_forbidden_import_is_found(module, source):
    assert offences(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "tickets.services.conversation.messages",
            "from channels_im.models import Page\nfrom desk.live.publish import announce",
        ),
        ("tickets.views.inbox", "from tickets.services import threads\nfrom tickets.models import Ticket"),
        (
            "tickets.services.incoming.receiver",
            "from tickets.rules import threading\nfrom channels_im.services import journal",
        ),
        ("channels_im.services.journal.store", "from channels_im.messenger import events"),
        ("channels_im.messenger.webhook", "from channels_im.messenger import signature"),
        ("desk.urls", "from tickets import urls"),
        ("desk.asgi", "from channels_im.webhook import door"),
        ("sandbox.world", "from sandbox import ids\nimport starlette"),
        ("tickets.rules.threading", "from datetime import timedelta\nfrom django.utils import timezone"),
    ],
)
def test_an_import_that_follows_the_rules_is_let_through(module, source):
    assert not offences(module, source)
