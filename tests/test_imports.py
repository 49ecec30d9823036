"""The import rules of docs/architecture.md, checked against the imports of every file.

Rules about layers and rooms apply to each import by itself. A pure module is checked with everything that it loads,
directly or through other modules: by following the imports in the files, and by importing it in a separate process.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parent.parent
APPS = ["desk", "channels_im", "tickets"]  # each may import itself and those before it
NAMES_ALL_APPS = {"desk.settings", "desk.urls", "desk.asgi", "desk.wsgi"}
SANDBOX = "sandbox"

# Inside an app, from the top down: a layer may import its own and those below it.
ENTRY_POINTS = {
    "views", "admin", "tasks", "api", "webhook", "setup", "adapters", "urls", "forms", "management", "demo",
}  # fmt: skip
LAYERS = [
    ("entry point", ENTRY_POINTS),
    ("service", {"services"}),
    ("model", {"models", "migrations"}),
    ("client", {"messenger"}),
]
# Rooms: the folders of services that each folder may import besides itself.
ROOMS = {
    "channels_im.services": {
        "facebook": set(),
        "go_live": {"facebook"},
        "journal": {"facebook"},
        "recovery": {"facebook", "journal"},
    },
    "tickets.services": {
        "webhooks": set(),
        "conversation": {"webhooks"},
        "outgoing": {"conversation", "webhooks"},
        "page_actions": {"conversation", "outgoing", "webhooks"},
        "privacy": {"conversation", "page_actions", "webhooks"},
        "incoming": {"conversation", "outgoing", "privacy", "webhooks"},
        "integrity": {"conversation", "outgoing"},
        "inbox": {"conversation", "outgoing", "page_actions", "webhooks"},
        "notifications": {"conversation", "inbox", "outgoing"},
        "people": {"conversation", "inbox"},
    },
}
# Pure modules load neither Django nor requests nor a model, also not through other modules.
PURE = re.compile(
    r"tickets\.rules(\..+)?|desk\.errors|desk\.text|desk\.body_limits"
    r"|channels_im\.messenger\.(signature|errors|error_table|verdicts|events|event_types|event_parsers|values|cards|card_types"
    r"|attachments|attachment_cards|templates|links|descriptions|webhook|files|file_signatures|send_policy|graph_messages|recovered_events|scopes"
    r"|webhook_items|message_parser)"
)
IMPURE = {"django", "requests", "rest_framework", "allauth", "django_q"}


def imports(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything the source imports, with relative names made absolute.

    `from a.b import c` yields a.b.c: c may be a module or a name in a.b, and the rules look at the beginning.
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
    """Return the index in LAYERS of a module of an app, or None when it belongs to no layer."""
    parts = name.split(".")
    for place, (_, rooms) in enumerate(LAYERS):
        if len(parts) > 1 and parts[1] in rooms:
            return place
    return None


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
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
    return forbidden_by_layer(module, name) or forbidden_by_room(module, name) if within(name, app) else None


def forbidden_by_room(module: str, name: str) -> str | None:
    for base, rooms in ROOMS.items():
        if within(module, base) and within(name, base):
            mine, theirs = (each.removeprefix(base).split(".")[1:2] for each in (module, name))
            if mine and theirs and mine != theirs and mine[0] in rooms and theirs[0] in rooms:
                return None if theirs[0] in rooms[mine[0]] else f"{mine[0]} does not import {theirs[0]}"
    return None


def loaded_by(module: str, sources: dict[str, str], packages: set[str]) -> dict[str, str]:
    """Return everything that `module` loads, directly or through others: dotted name → the module that imports it."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        current = waiting.pop()
        for _line, name in imports(sources[current], current, is_package=current in packages):
            for part in modules_of(name):
                if part not in found:
                    found[part] = current
                    if part in sources:
                        waiting.append(part)
    return found


def modules_of(name: str) -> list[str]:
    """Return the modules that importing the dotted name loads: itself and every package above it."""
    parts = name.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def forbidden_by_layer(module: str, name: str) -> str | None:
    mine, theirs = layer(module), layer(name)
    if mine is None or theirs is None or theirs >= mine:
        return None
    return f"a {LAYERS[mine][0]} imports no {LAYERS[theirs][0]}"


def files() -> Iterator[tuple[str, Path]]:
    """Yield (dotted name, path) of every Python file of the apps, the launcher, the benchmark and chaos."""
    for folder in [*APPS, SANDBOX, "launcher", "bench", "chaos"]:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


@pytest.mark.slow
def test_every_import_in_the_house_follows_the_rules() -> None:
    found = [
        sentence
        for module, path in files()
        for sentence in violations(module, path.read_text(), is_package=path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


def test_every_room_is_known() -> None:
    for base, rooms in ROOMS.items():
        folder = ROOT / base.replace(".", "/")
        assert {path.name for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(rooms)


def read_all() -> tuple[dict[str, str], set[str]]:
    found = dict(files())
    return (
        {module: path.read_text() for module, path in found.items()},
        {module for module, path in found.items() if path.name == "__init__.py"},
    )


def pure_modules() -> list[str]:
    return sorted(module for module, _ in files() if PURE.fullmatch(module))


@pytest.mark.slow
def test_pure_modules_import_nothing_impure_even_by_way_of_others() -> None:
    sources, packages = read_all()
    found = [
        f"{module} loads {name} through {by}"
        for module in pure_modules()
        for name, by in loaded_by(module, sources, packages).items()
        if name in IMPURE or ".models" in name
    ]
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_pure_modules_load_neither_django_nor_requests_when_python_imports_them() -> None:
    script = "import importlib, sys\nfor name in sys.argv[2:]: importlib.import_module(name)\n"
    script += "print(*sorted(set(sys.argv[1].split(',')) & set(sys.modules)))"
    command = [sys.executable, "-c", script, ",".join(sorted(IMPURE)), *pure_modules()]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    assert not loaded


def test_a_detour_to_django_is_found() -> None:
    sources = {
        "tickets.rules.window": "from channels_im.messenger.harmless import LIMIT",
        "channels_im.messenger.harmless": "def later():\n    from channels_im.messenger import client",
        "channels_im.messenger.client": "import django.conf",
    }
    assert loaded_by("tickets.rules.window", sources, set())["django"] == "channels_im.messenger.client"


def test_the_files_of_all_apps_are_read() -> None:
    modules = {module for module, _ in files()}
    assert {"desk.models", "channels_im.models.channels", "tickets.models.message"} <= modules


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("desk.live.publish", "from channels_im.models import Page"),
        ("desk.live.publish", "def later():\n    from tickets.models import Ticket"),
        ("desk.live.publish", "import tickets"),
        ("desk.live.publish", "import_module('tickets.tasks')"),
        ("channels_im.services.journal.store", "from tickets.services.conversation import messages"),
        ("channels_im.models.channels", "from channels_im.services.journal import store"),
        ("channels_im.models.channels", "from ..services.journal import store"),
        ("channels_im.messenger.client", "from channels_im.services.facebook.connection import require_reauth"),
        ("tickets.services.conversation.messages", "from tickets.views.inbox import show"),
        ("tickets.services.conversation.messages", "from tickets import tasks"),
        ("channels_im.messenger.send_api", "from channels_im.models import Page"),
        ("tickets.views.inbox", "from sandbox import world"),
        ("sandbox.world", "from channels_im.messenger import signature"),
        ("sandbox.graph.send", "from channels_im import models"),
        ("sandbox.world", "from desk.encryption import Secret"),
        ("launcher.__main__", "import sandbox.world"),
        ("tickets.services.outgoing.outbox", "from tickets.services.inbox import listing"),
        ("tickets.services.outgoing.outbox", "from tickets.services.incoming.receiver import receive"),
        ("tickets.services.webhooks.events", "from tickets.services.conversation import messages"),
        ("tickets.services.conversation.messages", "from ..outgoing import replies"),
        ("channels_im.services.facebook.connection", "from channels_im.services.journal import store"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert violations(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "tickets.services.conversation.messages",
            "from channels_im.models import Page\nfrom desk.live.publish import announce",
        ),
        (
            "tickets.views.inbox",
            "from tickets.services.conversation import messages\nfrom tickets.models import Ticket",
        ),
        (
            "tickets.services.incoming.receiver",
            "from tickets.rules import threading\nfrom channels_im.services.journal import store",
        ),
        ("channels_im.services.journal.store", "from channels_im.messenger import events"),
        ("channels_im.messenger.webhook", "from channels_im.messenger import signature"),
        ("desk.urls", "from tickets import urls"),
        ("desk.asgi", "from channels_im.webhook import asgi"),
        ("sandbox.world", "from sandbox import ids\nimport starlette"),
    ],
)
def test_an_import_that_follows_the_rules_is_let_through(module: str, source: str) -> None:
    assert not violations(module, source)
