"""Fill a demo as if many people worked with it: `manage.py demo_data --busy`."""

import io
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from django.core.files.base import ContentFile
from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.utils import timezone
from PIL import Image, ImageDraw

from desk.models import User
from tickets.demo import busy_desk
from tickets.demo.busy_rows import Maker, Rows
from tickets.demo.channel import SkippedError
from tickets.demo.many import Ids
from tickets.models import (
    Contact,
    ContactNote,
    Conversation,
    Draft,
    FieldValue,
    Mention,
    Message,
    ScheduledReply,
    Ticket,
)
from tickets.services.inbox import indexing
from tickets.services.inbox.statistics import refresh_statistics

NUMBER, SEED = 40_000, 7
BATCH = 2000  # conversations in one transaction
PICTURES, PORTRAITS = 240, 80  # customers with a picture, those who wrote last, and the pictures there are
PEOPLE_OF_PAGES = ("omar", "mia")  # of the sandbox; Anna Berg's Pages are linked already

Progress = Callable[[int], None]


def is_there() -> bool:
    """Return whether the database has the conversations already."""
    return Message.objects.filter(mid__startswith="m_busy_").exists()


def fill(admin: User, number: int = NUMBER, seed: int = SEED, progress: Progress | None = None) -> None:
    """Add the desk and `number` conversations to the channels of linked Pages. Raises SkippedError without a channel.

    The same `seed` gives the same data, up to the present moment: all times are before it, the newest by minutes.
    """
    desk = busy_desk.create(admin)
    if not desk.channels:
        raise SkippedError("No Page of the sandbox is linked, so that no conversations could be added.")
    maker = Maker(desk, Ids.read(), timezone.now().replace(microsecond=0), seed)
    for first in range(0, number, BATCH):
        rows = Rows()
        for _each in range(min(BATCH, number - first)):
            maker.make(rows)
        with transaction.atomic():
            _insert(rows)
            indexing.index_everything()
        if progress:
            progress(min(first + BATCH, number))
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [Contact, Conversation, Ticket, Message]):
            cursor.execute(statement)
        if connection.vendor == "postgresql" and not connection.in_atomic_block:
            cursor.execute("VACUUM ANALYZE")
    _draw_pictures(seed)
    refresh_statistics()


def _insert(rows: Rows) -> None:
    _insert_all(Contact, rows.contacts)
    _insert_all(Conversation, rows.conversations)  # the database checks their current tickets at the end
    _insert_all(Ticket, rows.tickets)
    through = Ticket.labels.through
    through.objects.bulk_create(through(ticket_id=ticket, label=label) for ticket, label in rows.labels)
    _insert_all(Message, rows.messages)
    FieldValue.objects.bulk_create(rows.values)
    ContactNote.objects.bulk_create(rows.contact_notes)
    Mention.objects.bulk_create(rows.mentions)
    Draft.objects.bulk_create(rows.drafts)
    ScheduledReply.objects.bulk_create(rows.scheduled)


def _insert_all(model: type[models.Model], rows: Sequence[models.Model]) -> None:
    """Insert rows that have their ids already: bulk_create takes five times as long."""
    if not rows:
        return
    constants: dict[models.Field[Any, Any], Any] = {}
    columns: dict[models.Field[Any, Any], list[Any]] = {}
    times: dict[int, Any] = {}  # one moment stands in several columns
    for field in model._meta.concrete_fields:
        values = [row.__dict__[field.attname] for row in rows]
        if all(value is values[0] for value in values):
            constants[field] = field.get_db_prep_save(values[0], connection)
        else:
            columns[field] = _prepared(field, values, times if isinstance(field, models.DateTimeField) else {})
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in (*constants, *columns))
    into = f"INSERT INTO {model._meta.db_table} ({names})"
    fixed = "%s, " * len(constants)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{field.cast_db_type(connection)}[]" for field in columns)
            cursor.execute(
                f"{into} SELECT {fixed}many.* FROM unnest({arrays}) AS many",  # noqa: S608 - our own names
                [*constants.values(), *columns.values()],
            )
        else:
            marks = ", ".join(["%s"] * len(columns))
            lines = zip(*columns.values(), strict=True)
            same = tuple(constants.values())
            cursor.executemany(f"{into} VALUES ({fixed}{marks})", [(*same, *line) for line in lines])


def _prepared(field: "models.Field[Any, Any]", values: list[Any], known: dict[int, Any]) -> list[Any]:
    """Return the values as the driver takes them; an object that comes again is prepared once, see `known`."""
    prepared = []
    for value in values:  # they live as long as `known`, so that their addresses tell them apart
        if id(value) not in known:
            known[id(value)] = field.get_db_prep_save(value, connection)
        prepared.append(known[id(value)])
    return prepared


def _draw_pictures(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - drawings
    newest = Contact.objects.filter(picture="", psid__startswith="8").order_by("-conversations__last_message_at")
    portraits = [_portrait(random) for _each in range(PORTRAITS)]
    contacts = list(newest[:PICTURES])
    for contact in contacts:
        contact.picture.save(f"busy-{contact.pk}.png", ContentFile(random.choice(portraits)), save=False)
    Contact.objects.bulk_update(contacts, ["picture"], batch_size=100)


def _portrait(random: Random) -> bytes:
    """Return a PNG of 128 x 128 pixels: somebody before a wall."""
    size = 256
    wall = random.choice(("#bfdbfe", "#fecdd3", "#bbf7d0", "#fde68a", "#ddd6fe", "#a5f3fc", "#fed7aa"))
    skin = random.choice(("#f5d0b5", "#e0ac86", "#c68657", "#8d5a35", "#5c3b25"))
    hair = random.choice(("#1f2937", "#78350f", "#b45309", "#d6a65a", "#9ca3af", "#7f1d1d"))
    shirt = random.choice(("#1d4ed8", "#be123c", "#15803d", "#7c3aed", "#0f172a", "#c2410c"))
    image = Image.new("RGB", (size, size), wall)
    pen = ImageDraw.Draw(image)
    pen.ellipse((38, 190, 218, 350), fill=shirt)
    if random.random() < 0.5:
        pen.rounded_rectangle((64, 50, 192, 208), 58, fill=hair)
    pen.rectangle((110, 160, 146, 210), fill=skin)
    pen.ellipse((76, 56, 180, 186), fill=skin)
    pen.chord((74, 44, 182, 160), 180, 360, fill=hair)
    for x in (104, 144):
        pen.ellipse((x, 112, x + 10, 124), fill="#1f2937")
    pen.arc((106, 122, 150, 158), 20, 160, fill="#7f1d1d", width=5)
    picture = io.BytesIO()
    image.resize((128, 128), Image.Resampling.LANCZOS).save(picture, "PNG")
    return picture.getvalue()
