"""Which contacts become one person, and which remain of one when a contact is separated."""

from collections.abc import Collection, Mapping

from desk.errors import Refused
from desk.sentences import sentence

MOST = 20  # contacts of one person

ITSELF = sentence("Choose another customer.")
ALREADY = sentence("These customers are marked as the same person already.")
TOO_MANY = sentence("At most %(most)s customers can be the same person.", most=MOST)
NOT_MERGED = sentence("This customer was separated already.")
ERASED = sentence("One of these customers was erased meanwhile. Nothing was changed.")
CHANGED = sentence("Somebody else changed which customers are the same person. Look at them again.")


def merged(person_of: Mapping[int, int | None], contact: int, other: int) -> tuple[int | None, list[int]]:
    """Return into which person two contacts come, None for a new one, and the contacts that are moved into it.

    `person_of` has the person of these two and of all other contacts of their persons, by contact id. Raises Refused.
    """
    if contact == other:
        raise Refused(ITSELF, field="with")
    one, two = person_of[contact], person_of[other]
    if one is not None and one == two:
        raise Refused(ALREADY)
    if len(person_of) > MOST:
        raise Refused(TOO_MANY, field="with")
    persons = [person for person in (one, two) if person is not None]
    into = min(persons, default=None)
    return into, sorted(pk for pk, person in person_of.items() if into is None or person != into)


def separated(members: Collection[int], contact: int) -> list[int]:
    """Return the contacts that leave the person with `contact`: it alone, or both when one would remain.

    Raises Refused when it has no person with others.
    """
    if contact not in members or len(members) < 2:
        raise Refused(NOT_MERGED)
    return sorted(members) if len(members) == 2 else [contact]
