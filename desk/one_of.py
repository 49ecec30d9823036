"""The condition that a column is one of many numbers, as one value of the statement.

`field__in` writes a placeholder for each number: with a thousand, writing and parsing the statement takes longer than
the rest of it.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, Func


class OneOf(Func):
    """Whether an integer column of the model, or of a related one, is among `numbers`. For `filter(OneOf(…))`."""

    output_field = BooleanField()

    def __init__(self, column: str, numbers: Iterable[int]) -> None:
        super().__init__(column)
        self.numbers = [*numbers]

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        sql, values = compiler.compile(self.source_expressions[0])
        return f"({sql} = ANY(%s::bigint[]))", [*values, self.numbers]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[str | int, ...]]:
        sql, values = compiler.compile(self.source_expressions[0])
        chosen = "SELECT value FROM json_each(%s)"
        return f"({sql} IN ({chosen}))", (*values, f"[{','.join(map(str, self.numbers))}]")
