"""Which migrations a database has had, and how its tables looked then."""

from django.apps.registry import Apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

Migration = tuple[str, str]


def heads() -> dict[str, list[str]]:
    """Return the newest applied migrations of each app: app label → names, normally one."""
    loader = MigrationExecutor(connection).loader
    applied = {node for node in loader.applied_migrations if node in loader.graph.nodes}
    newest: dict[str, list[str]] = {}
    for node in sorted(applied):
        children = loader.graph.node_map[node].children
        if not any(child.key in applied and child.key[0] == node[0] for child in children):
            newest.setdefault(node[0], []).append(node[1])
    return newest


def targets(migrations: dict[str, list[str]]) -> list[Migration]:
    return [(app, name) for app, names in sorted(migrations.items()) for name in names]


def unknown(migrations: dict[str, list[str]]) -> list[Migration]:
    """Return those of the migrations that this version of Desk does not have."""
    graph = MigrationExecutor(connection).loader.graph
    return [node for node in targets(migrations) if node not in graph.nodes]


def apps_at(migrations: dict[str, list[str]]) -> Apps:
    """Return the models as they are after these migrations."""
    return MigrationExecutor(connection).loader.project_state(targets(migrations)).apps


def migrate_to(migrations: dict[str, list[str]]) -> None:
    """Apply the missing ones of these migrations to an empty database."""
    MigrationExecutor(connection).migrate(targets(migrations))


def is_current() -> bool:
    """Return whether every migration of this version of Desk is applied."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def has_tables() -> bool:
    """Return whether any migration was applied."""
    return bool(MigrationExecutor(connection).loader.applied_migrations)
