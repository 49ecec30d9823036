"""The sandbox starts with whatever is in its data folder, and keeps what it cannot use."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sandbox import chat, grants, repair, tokens
from sandbox.app import seed_world
from sandbox.world import World
from tests.sandbox.process import BERG_BIKES, SandboxProcess


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sandbox in which somebody logged in, wrote and reacted."""
    folder = tmp_path_factory.mktemp("used")
    world = World(folder)
    seed_world(world)
    anna = world.store.people["anna"]
    grants.grant(world, anna, [BERG_BIKES], {"pages_messaging": "granted"})
    grants.grant(world, world.store.people["mia"], "all", {"pages_messaging": "granted"})
    user = tokens.issue(world, "USER", anna, long_lived=True)
    tokens.page_token(world, anna, world.store.pages[BERG_BIKES], parent=user)
    message = chat.customer_message(world, world.store.customers["guest"], BERG_BIKES, text="Typed by a person")
    message["reactions"]["customer"] = chat.reaction("love")
    world.configure({"delivery_delay_ms": 10})
    world.store.close()
    return folder


@pytest.fixture
def folder(used: Path, tmp_path: Path) -> Path:
    return shutil.copytree(used, tmp_path / "sandbox")


def state(folder: Path) -> Path:
    return folder / "state.sqlite3"


def change(folder: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(state(folder))) as db, db:
        db.execute(sql, values)


def edit(folder: Path, kind: str, key: str, **fields: object) -> None:
    """Change fields of a document; `...` removes one."""
    with closing(sqlite3.connect(state(folder))) as db, db:
        (body,) = db.execute("SELECT body FROM docs WHERE kind = ? AND id = ?", (kind, key)).fetchone()
        doc = {**json.loads(body), **fields}
        doc = {name: value for name, value in doc.items() if value is not ...}
        db.execute("UPDATE docs SET body = ? WHERE kind = ? AND id = ?", (json.dumps(doc), kind, key))


def opened(folder: Path) -> World:
    world = World(folder)
    seed_world(world)
    return world


def texts(world: World) -> set[str | None]:
    return {message["text"] for message in world.store.messages.values()}


def copies(folder: Path, word: str) -> list[Path]:
    return sorted(folder.glob(f"state-{word}-*.sqlite3"))


def test_what_is_well_is_not_touched(folder: Path) -> None:
    before = state(folder).read_bytes()
    assert repair.repair(folder) == []
    assert state(folder).read_bytes() == before
    assert repair.repair(folder / "nothing there") == []


def test_fields_that_an_older_version_did_not_have_get_the_value_of_a_new_world(folder: Path) -> None:
    edit(folder, "pages", BERG_BIKES, published=..., webhook=...)
    edit(folder, "people", "anna", checkpoint=..., unconfirmed="no")
    key = next(iter(opened(folder).store.threads))
    edit(folder, "threads", key, page_seen_at=..., read_watermark=...)
    (sentence,) = repair.repair(folder)
    assert "were repaired; 0 entries are left out" in sentence
    store = opened(folder).store
    assert store.pages[BERG_BIKES]["published"] is True
    assert store.pages[BERG_BIKES]["webhook"] == {"failing_since": None, "alert": None}
    assert (store.people["anna"]["checkpoint"], store.people["anna"]["unconfirmed"]) == (False, False)
    assert (store.threads[key]["page_seen_at"], store.threads[key]["read_watermark"]) == (0, 0)
    assert repair.repair(folder) == []
    assert len(copies(folder, "before-repair")) == 1


def test_what_refers_to_somebody_who_was_removed_is_left_out_and_the_rest_stays(folder: Path) -> None:
    change(folder, "DELETE FROM docs WHERE kind = 'customers' AND id = 'tom'")
    change(folder, "DELETE FROM docs WHERE kind = 'people' AND id = 'omar'")
    change(folder, "DELETE FROM docs WHERE kind = 'files'")
    change(folder, "UPDATE docs SET body = '{broken' WHERE kind = 'customers' AND id = 'lena'")
    (sentence,) = repair.repair(folder)
    assert "entries are left out" in sentence
    world = opened(folder)
    assert "Typed by a person" in texts(world)
    assert {thread["customer"] for thread in world.store.threads.values()}.isdisjoint({"tom", "lena"})
    assert world.config.delivery_delay_ms == 10
    with closing(sqlite3.connect(copies(folder, "before-repair")[0])) as db:
        assert db.execute("SELECT body FROM docs WHERE id = 'lena'").fetchone() == ("{broken",)


def test_a_setting_that_is_not_known_is_left_out(folder: Path) -> None:
    edit(folder, "config", "overrides", no_such_setting=1, read_delay_ms="soon")
    repair.repair(folder)
    world = opened(folder)
    assert world.config.overrides == {"delivery_delay_ms": 10}


def damage_nothing_left(folder: Path) -> None:
    change(folder, "DELETE FROM docs WHERE kind = 'people'")


def damage_no_database(folder: Path) -> None:
    state(folder).write_bytes(b"not a database" * 100)


def damage_middle(folder: Path) -> None:
    content = bytearray(state(folder).read_bytes())
    content[8192:40960] = b"\0" * (40960 - 8192)
    state(folder).write_bytes(content)


def damage_end(folder: Path) -> None:
    state(folder).write_bytes(state(folder).read_bytes()[:10_000])


DAMAGES = [damage_nothing_left, damage_no_database, damage_middle, damage_end]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_file_that_cannot_be_used_is_set_aside_and_a_new_world_begins(folder: Path, damage: object) -> None:
    assert callable(damage)
    damage(folder)
    kept = state(folder).read_bytes()
    (sentence,) = repair.repair(folder)
    assert "starts afresh" in sentence
    assert copies(folder, "damaged")[0].read_bytes() == kept
    world = opened(folder)
    assert len(world.store.people) == 3
    assert len(world.store.messages) > 40


def test_a_file_that_somebody_else_uses_is_not_set_aside(folder: Path) -> None:
    with closing(sqlite3.connect(state(folder), isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            repair.repair(folder)
    assert not copies(folder, "damaged")


@pytest.fixture
def process(folder: Path) -> Iterator[SandboxProcess]:
    damage_no_database(folder)
    with SandboxProcess(env={"SANDBOX_STATE_DIR": str(folder)}) as process:
        yield process


@pytest.mark.processes
def test_the_process_starts_with_a_damaged_file(process: SandboxProcess) -> None:
    assert len(process.world()["people"]) == 3
