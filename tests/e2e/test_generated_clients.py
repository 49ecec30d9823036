"""Clients that others generate from the API's description: a Python one is used, the types of TypeScript compiled."""

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests import factories
from tests.e2e import data
from tests.e2e.customers import Customer
from tests.e2e.processes import RunningDesk

pytestmark = [pytest.mark.processes, pytest.mark.any_database, pytest.mark.slow]

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
NO_NPM = "needs node and npm (Debian: apt-get install nodejs npm) for the TypeScript client"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program and return what it writes; fail with it when the program fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout + done.stderr


def described(demo: RunningDesk, folder: Path) -> Path:
    """Store the description of the running Desk as a file, and return its path."""
    schema = demo.http.get(f"{demo.url}/api/schema/?format=json", timeout=30)
    assert schema.status_code == 200
    path = folder / "desk-api.json"
    path.write_text(json.dumps(schema.json()))
    return path


class GeneratedClient:
    """The client of one user, made from the description."""

    def __init__(self, demo: RunningDesk, username: str) -> None:
        self._client = importlib.import_module("desk_client").AuthenticatedClient(
            base_url=demo.url,
            token=demo.call(data.api_token, username),
            prefix="Token",
            httpx_args={"trust_env": False},
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.get_httpx_client().close()

    def __call__(self, name: str, *ids: int, body: Any = None, **parameters: Any) -> Any:
        """Call an operation by its operationId; `body` is a model. Return the parsed answer, None without a body."""
        if body is not None:
            parameters["body"] = body
        answer = OPERATIONS[name].sync_detailed(*ids, client=self._client, **parameters)
        assert 200 <= answer.status_code < 300, (name, answer.status_code, answer.content)
        assert answer.parsed is not None or answer.status_code == 204, (name, answer.content)
        return answer.parsed


OPERATIONS: dict[str, Any] = {}


@pytest.fixture(scope="module")
def generate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[RunningDesk], None]:
    """Return a function that generates the Python client, once, and imports every module of it."""

    def make(demo: RunningDesk) -> None:
        if OPERATIONS:
            return
        folder = tmp_path_factory.mktemp("python-client")
        options = ["--meta", "none", "--config", str(CLIENTS / "python.yaml"), "--output-path", "desk_client"]
        module = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(described(demo, folder))]
        said = run(*module, *options, "--fail-on-warning", cwd=folder)
        assert "WARNING" not in said, said
        sys.path.insert(0, str(folder))
        package = importlib.import_module("desk_client")
        for found in pkgutil.walk_packages(package.__path__, "desk_client."):
            imported = importlib.import_module(found.name)
            if found.name.count(".") == 3:
                OPERATIONS[found.name.rsplit(".", 1)[1]] = imported

    return make


def model(kind: str, /, **fields: Any) -> Any:
    """Return a body: a model of the client."""
    return getattr(importlib.import_module("desk_client.models"), kind).from_dict(fields)


def file(name: str) -> Any:
    """Return a picture to upload."""
    kind = importlib.import_module("desk_client.types").File
    return kind(payload=BytesIO(factories.png()), file_name=name, mime_type="image/png")


def test_the_generated_python_client_does_every_kind_of_work(
    generate: Callable[[RunningDesk], None], demo: RunningDesk, customer: Customer
) -> None:
    mid = customer.writes("Where is my bike?")
    generate(demo)
    alice, admin = GeneratedClient(demo, "alice"), GeneratedClient(demo, "admin")
    pk = customer.conversation

    # Reading.
    row = alice("conversations_retrieve", pk)
    assert (row.status.value, row.preview, row.unread) == ("open", "Where is my bike?", 2)
    assert pk in [one.id for one in alice("conversations_list", page_size=200).results]
    [question] = [one for one in alice("messages_list", conversation=pk).results if one.mid == mid]

    # The conversation.
    sent = alice("messages_create", body=model("Reply", conversation=pk, text="On its way."))
    assert [one.text for one in sent.results] == ["On its way."]
    with_file = model("ReplyWithFiles", conversation=pk, text="A map:")
    with_file.files = [file("map.png")]
    assert len(alice("messages_create", body=with_file).results) == 2
    note = alice("notes_create", body=model("Note", conversation=pk, text="A regular."))
    assert note.kind.value == "note"
    demo.wait_until_drained()
    alice("messages_react", question.id, body=model("React", emoji="❤"))
    assert alice("conversations_assign", pk, body=model("Assign", assignee="alice")).assignee == "alice"
    assert alice("conversations_snooze", pk, body=model("Snooze", until_reply=True)).snoozed
    assert not alice("conversations_wake", pk).snoozed
    alice("conversations_read", pk, body=model("Read"))

    # Labels and the ticket.
    label = admin("labels_create", body=model("LabelForm", name=f"Client {pk}"))
    try:
        form = model("PatchedTicketForm", priority="high", labels=[label.id])
        ticket = alice("tickets_partial_update", row.ticket.id, body=form)
        assert (ticket.priority.value, [one.id for one in ticket.labels]) == ("high", [label.id])
        assert [one.id for one in alice("conversations_retrieve", pk).ticket.labels] == [label.id]
        split = alice("tickets_split", ticket.id, body=model("Split", message=sent.results[0].id))
        assert alice("tickets_merge", split.id).id == ticket.id
    finally:
        admin("labels_destroy", label.id)

    # What agents keep.
    personal = model("NewCannedReplyForm", shortcut=f"client-{pk}", text="Hi {{name}}", personal=True)
    canned = alice("canned_replies_create", body=personal)
    assert canned.title == canned.shortcut
    files = importlib.import_module("desk_client.models").NewFilesForm(files=[file("way.png")])
    assert [one.name for one in alice("canned_replies_files", canned.id, body=files).files] == ["way.png"]
    changed = alice(
        "canned_replies_partial_update", canned.id, body=model("PatchedChangedCannedReplyForm", text="Hello")
    )
    assert changed.text == "Hello"
    alice("canned_replies_destroy", canned.id)
    view = alice("views_create", body=model("SavedViewForm", name=f"Client {pk}"))
    assert view.id in [one.id for one in alice("views_list").results]
    alice("views_destroy", view.id)
    later = (timezone.now() + timedelta(hours=1)).isoformat()
    scheduled = alice("scheduled_replies_create", body=model("Schedule", conversation=pk, text="Later", send_at=later))
    assert scheduled.state.value == "scheduled"
    alice("scheduled_replies_destroy", scheduled.id)

    # Setup.
    macro_form = model("MacroForm", name=f"Client {pk}", actions=[{"do": "priority", "value": "low"}])
    macro = admin("macros_create", body=macro_form)
    assert alice("conversations_preview_macro", pk, body=model("PreviewMacroForm", macro=macro.id)).possible
    assert alice("conversations_run_macro", pk, body=model("RunMacroForm", macro=macro.id)).done
    admin("macros_destroy", macro.id)
    crm = model("WebhookForm", name="CRM", url="https://crm.example.com/", events=["ticket.closed"])
    webhook = admin("webhooks_create", body=crm)
    assert webhook.secret
    off = admin("webhooks_partial_update", webhook.id, body=model("PatchedChangedWebhookForm", is_active=False))
    assert off.state.value == "turned_off"
    admin("webhooks_destroy", webhook.id)

    department = next(one for one in admin("departments_list").results if one.name == row.department)
    hand_back = model("PatchedDepartmentForm", assignment={"hand_back_minutes": 90})
    assert admin("departments_partial_update", department.id, body=hand_back).assignment.hand_back_minutes == 90
    never = model("PatchedDepartmentForm", assignment={"hand_back_minutes": None})
    assert admin("departments_partial_update", department.id, body=never).assignment.hand_back_minutes is None
    member = next(one for one in admin("agents_list").results if one.username == "alice")
    assert admin("agents_partial_update", member.id, body=model("PatchedAgentForm", capacity=9)).capacity == 9
    assert admin("agents_partial_update", member.id, body=model("PatchedAgentForm", capacity=None)).capacity is None

    person = next(one for one in alice("contacts_list", page_size=200).results if one.psid == row.contact.psid)
    assert alice("contacts_export", person.id, body=model("Export")).payload.read(2) == b"PK"
    assert alice("conversations_export", pk, body=model("Export")).payload.read(2) == b"PK"
    assert alice("conversations_close", pk).status.value == "closed"
    alice.close()
    admin.close()


def test_the_typescript_types_are_generated_and_compile(demo: RunningDesk, tmp_path: Path) -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        if os.environ.get("CI"):
            pytest.fail(NO_NPM)
        pytest.skip(NO_NPM)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENTS / name, tmp_path)
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", cwd=tmp_path)
    described(demo, tmp_path)
    tools = tmp_path / "node_modules/.bin"
    run(tools / "openapi-typescript", "desk-api.json", "--output", "desk.d.ts", cwd=tmp_path)
    (tmp_path / "use.ts").write_text(
        'import type { components, operations } from "./desk";\n'
        'const row: components["schemas"]["Conversation"]["status"] = "open";\n'
        'const react: operations["messages_react"]["requestBody"]["content"] = {"application/json": {emoji: "x"}};\n'
        "export { row, react };\n"
    )
    run(tools / "tsc", "--strict", "--noEmit", "use.ts", "desk.d.ts", cwd=tmp_path)
    (tmp_path / "wrong.ts").write_text(
        'import type { components } from "./desk";\n'
        'export const row: components["schemas"]["Conversation"]["status"] = "no such status";\n'
    )
    with pytest.raises(AssertionError, match="no such status"):
        run(tools / "tsc", "--strict", "--noEmit", "wrong.ts", cwd=tmp_path)
