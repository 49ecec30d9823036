"""A double click on Save does not add something twice, nor show the refusal of the second attempt."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from desk.models import User
from tests.pages import html_of
from tickets.models import CustomField

from . import world

SAVES = re.compile(r"<form[^>]*method=.post.[^>]*>")


@pytest.mark.parametrize("name", ["labels:add", "fields:add", "macros:add", "canned:add", "programs:event_add"])
def test_the_form_of_something_new_is_sent_once(as_user: Callable[[User], Client], desk: world.Desk, name: str) -> None:
    _check(html_of(as_user(desk.root).get(reverse(name))))


@pytest.mark.parametrize("name", ["own_macro_add", "own_canned_reply_add"])
def test_ones_own_form_is_sent_once(as_user: Callable[[User], Client], desk: world.Desk, name: str) -> None:
    page = html_of(as_user(desk.alice).get(reverse(name)))
    assert "js/sent-once" in page
    assert [form for form in SAVES.findall(page.partition("<h1>")[2]) if "data-once" in form]


def test_the_forms_of_the_choices_of_a_field_are_sent_once(as_user: Callable[[User], Client], desk: world.Desk) -> None:
    field = CustomField.objects.create(of="ticket", kind="choice", name="Plan", key="plan", choices=[])
    _check(html_of(as_user(desk.root).get(reverse("fields:edit", args=[field.pk]))))


def _check(page: str) -> None:
    forms = SAVES.findall(page.partition('id="content-main"')[2])
    assert forms
    assert [form for form in forms if "data-once" not in form] == []
