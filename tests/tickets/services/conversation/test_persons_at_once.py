"""Two agents who merge and erase at the same moment."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from desk.errors import Refused
from tests import factories
from tickets.models import Contact, Person
from tickets.services.conversation import persons
from tickets.services.privacy import erasure

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*jobs: Callable[[], object]) -> list[str]:
    """Run these at the same moment; return what was refused. Any other error fails."""
    refused, errors, start = list[str](), list[BaseException](), threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        try:
            start.wait(10)
            job()
        except Refused as refusal:
            refused.append(str(refusal))
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    return refused


def contacts(number: int) -> list[Contact]:
    channels = [factories.make_channel(name=f"Page {index}") for index in range(number)]
    return [factories.make_conversation(channel, f"70{index}").contact for index, channel in enumerate(channels)]


def test_contacts_merged_into_each_other_become_one_person() -> None:
    admin = factories.make_admin()
    one, two = contacts(2)
    refused = at_once(lambda: persons.merge(admin, one, two), lambda: persons.merge(admin, two, one))
    assert len(refused) == 1
    assert Person.objects.count() == 1
    assert Contact.objects.filter(person=Person.objects.get()).count() == 2


def test_a_chain_that_is_merged_at_once_becomes_one_person() -> None:
    admin = factories.make_admin()
    one, two, three, four = contacts(4)
    persons.merge(admin, one, two)
    persons.merge(admin, three, four)
    refused = at_once(
        lambda: persons.merge(admin, one, three),
        lambda: persons.merge(admin, four, two),
        lambda: persons.merge(admin, two, three),
    )
    assert len(refused) == 2
    assert Contact.objects.values("person").distinct().count() == 1
    assert Person.objects.count() == 1


def test_a_contact_that_is_erased_while_it_is_merged_is_of_no_person() -> None:
    admin = factories.make_admin()
    one, two = contacts(2)
    at_once(lambda: persons.merge(admin, one, two), lambda: erasure.erase(admin, two))
    two.refresh_from_db()
    assert two.erased_at is not None
    assert two.person_id is None
