"""Make the saved state usable again at the start: of an older version, damaged, or changed by hand.

A file that cannot be read is set aside. In a readable one, fields that are missing get the value of a new world, and
documents that refer to nothing are removed; a copy of the file as it was is kept. Nothing is deleted from the disk.
"""

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from sandbox import grants, seed_history, seed_people, tokens
from sandbox.store import TABLES, Doc
from sandbox.world import World

Docs = dict[str, dict[str, Doc]]

#: What a document cannot do without: the first is its own key.
IDENTITY = {
    "people": ("id", "asid", "name"),
    "pages": ("id", "name", "roles"),
    "customers": ("id",),
    "files": ("id", "name", "content_type", "size"),
    "threads": ("key", "id", "page", "psid", "customer"),
    "messages": ("mid", "thread", "ts", "from"),
    "tokens": ("token", "kind", "person"),
    "grants": ("person", "pages", "scopes"),
}
#: Fields that name a document of another table. In this order, so that what depends on a removed one goes too.
REFERENCES = (
    ("psids", "customer", "customers"),
    ("psids", "page", "pages"),
    ("threads", "customer", "customers"),
    ("threads", "page", "pages"),
    ("threads", "psid", "psids"),
    ("messages", "thread", "threads"),
    ("grants", "person", "people"),
    ("tokens", "person", "people"),
    ("tokens", "page", "pages"),
    ("codes", "person", "people"),
    ("sessions", "person", "people"),
    ("subscriptions", "page", "pages"),
)
LOCK_WAIT_S = 1
NEEDED = ("people", "pages", "customers")


def repair(directory: Path) -> list[str]:
    """Repair the state in `directory` and return what was done, as sentences; none when all is well."""
    path = directory / "state.sqlite3"
    if not path.exists():
        return []
    try:
        docs, unreadable = _read(path)
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise
        return [_set_aside(path, f"cannot be read ({error})")]
    if not docs and not unreadable:
        return []
    before = json.dumps(docs)
    removed = unreadable + _check(docs)
    if not all(docs.get(table) for table in NEEDED):
        return [_set_aside(path, "has no people, Pages or customers that can be used")]
    if not removed and json.dumps(docs) == before:
        return []
    copy = _free_name(path, "before-repair")
    with closing(sqlite3.connect(path)) as db:
        with closing(sqlite3.connect(copy)) as target:
            db.backup(target)
        _write(db, docs)
    return [f"The sandbox's data were not complete and were repaired; {removed} entries are left out. Copy: {copy}"]


def _read(path: Path) -> tuple[Docs, int]:
    """Return the documents by table, in their order, and how many are not JSON objects."""
    docs: Docs = {}
    unreadable = 0
    with closing(sqlite3.connect(path, timeout=LOCK_WAIT_S)) as db:
        if db.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("it is damaged")
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'docs'").fetchone():
            return {}, 0
        for kind, key, body in db.execute("SELECT kind, id, body FROM docs ORDER BY seq").fetchall():
            try:
                doc = json.loads(body)
            except (ValueError, TypeError):
                doc = None
            if isinstance(doc, dict):
                docs.setdefault(kind, {})[key] = doc
            else:
                unreadable += 1
    return docs, unreadable


def _write(db: sqlite3.Connection, docs: Docs) -> None:
    rows = [(kind, key, json.dumps(doc)) for kind, table in docs.items() for key, doc in table.items()]
    with db:
        db.execute("DELETE FROM docs")
        db.executemany("INSERT INTO docs (kind, id, body) VALUES (?, ?, ?)", rows)


def _set_aside(path: Path, reason: str) -> str:
    target = _free_name(path, "damaged")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.move(part, target.with_name(target.name + suffix))
    return f"The sandbox's data file {reason}. The sandbox starts afresh; the file is kept as {target}"


def _free_name(path: Path, word: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (path.with_name(f"state-{word}-{stamp}{suffix}.sqlite3") for suffix in ["", *(f"-{n}" for n in range(99))])
    return next(name for name in names if not name.exists())


# --- The documents ----------------------------------------------------------------------------------------------------
def _check(docs: Docs) -> int:
    """Complete the documents in place, remove those that cannot be used, and return how many were removed."""
    removed = 0
    template = _new_world()
    for table in TABLES:
        own = docs.get(table, {})
        for key, doc in list(own.items()):
            if not _complete(table, key, doc, template.get(table, [])):
                del own[key]
                removed += 1
    for table, field, other in REFERENCES:
        own, others = docs.get(table, {}), docs.get(other, {})
        for key, doc in list(own.items()):
            if doc.get(field) not in others and not (table == "tokens" and field == "page" and doc.get(field) is None):
                del own[key]
                removed += 1
    for message in docs.get("messages", {}).values():
        items = message["attachments"]
        files = docs.get("files", {})
        message["attachments"] = [
            item for item in items if isinstance(item, dict) and (not item.get("file") or item["file"] in files)
        ]
        removed += len(items) - len(message["attachments"])
    overrides = docs.get("config", {}).get("overrides", {})
    for name, value in list(overrides.items()):
        try:
            World().config.check({name: value})
        except (ValueError, TypeError, KeyError):
            del overrides[name]
            removed += 1
    return removed


def _new_world() -> dict[str, list[Doc]]:
    """Return the documents of a new world by table, with logins of both forms."""
    world = World()
    seed_people.seed(world)
    seed_history.seed(world)
    person, other = list(world.store.people.values())[:2]
    page = next(iter(world.store.pages.values()))
    grants.grant(world, person, "all", {})
    grants.grant(world, other, [page["id"]], {})
    tokens.issue(world, "USER", person, long_lived=True)
    tokens.issue(world, "PAGE", person, long_lived=True, page=page)
    return {table: list(getattr(world.store, table).values()) for table in IDENTITY}


def _complete(table: str, key: str, doc: Doc, samples: list[Doc]) -> bool:
    """Give `doc` the fields it lacks or has with a wrong type; return False when it cannot do without one of them."""
    identity = IDENTITY.get(table, ())
    if identity and table != "grants" and doc.get(identity[0]) != key:
        return False
    for field in set.intersection(*map(set, samples)) if samples else ():
        values = [sample[field] for sample in samples]
        if field in doc and _fits(doc[field], values):
            continue
        if field in identity:
            return False
        doc[field] = json.loads(json.dumps(_default(values)))
    return True


def _fits(value: Any, values: list[Any]) -> bool:
    """Return whether a value has a type that the field has in a new world. A field that is empty there may be any."""
    types = {_type(each) for each in values}
    return value is None or types == {type(None)} or _type(value) in types


def _type(value: Any) -> type:
    return int if isinstance(value, bool | float) else type(value)


def _default(values: list[Any]) -> Any:
    """Return the value that all have, else an empty one of their type."""
    if all(value == values[0] for value in values):
        return values[0]
    return next((type(value)() for value in values if value is not None), None)
