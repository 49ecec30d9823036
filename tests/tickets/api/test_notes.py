"""Notes by the API: files, mentions by ids, changing, deleting, and the list of one's mentions."""

from django.core.files.uploadedfile import SimpleUploadedFile

from tests import factories
from tickets.models import AccessGrant, Message

from .conftest import Shop, client_of


def test_a_note_with_files_and_mentions(shop: Shop) -> None:
    client = client_of(shop.alice)
    anna = factories.make_agent("anna", channels=(shop.channel,))
    fields = {
        "conversation": shop.conversation.pk,
        "text": "Look",
        "mention_agents": [anna.agent.pk, shop.charlie.agent.pk],
        "give_access": [shop.charlie.agent.pk],
        "files": [SimpleUploadedFile("photo.png", factories.png())],
    }
    answer = client.post("/api/v1/notes/", fields, format="multipart")
    assert answer.status_code == 201, answer.content
    note = answer.json()
    assert note["text"] == "@anna @charlie Look"
    assert [(one["kind"], one["id"], one["notified"]) for one in note["mentions"]] == [
        ("agent", anna.agent.pk, True),
        ("agent", shop.charlie.agent.pk, True),
    ]
    assert [file["name"] for file in note["attachments"]] == ["photo.png"]
    assert AccessGrant.objects.get().user == shop.charlie
    for user in (anna, shop.charlie):
        own = client_of(user)
        assert [row["message"] for row in own.get("/api/v1/mentions/?seen=false").json()["results"]] == [note["id"]]
        own.post(f"/api/v1/conversations/{shop.conversation.pk}/read/", {}, format="json")
        assert own.get("/api/v1/mentions/?seen=false").json()["results"] == []
        assert len(own.get("/api/v1/mentions/?seen=true").json()["results"]) == 1
    assert client_of(shop.bob).get("/api/v1/mentions/").json()["results"] == []


def test_without_access_the_answer_says_that_nobody_is_notified(shop: Shop) -> None:
    fields = {"conversation": shop.conversation.pk, "text": "@charlie?", "mention_agents": [shop.charlie.agent.pk]}
    note = client_of(shop.alice).post("/api/v1/notes/", fields, format="json").json()
    assert [(one["start"], one["notified"]) for one in note["mentions"]] == [(0, False)]
    assert client_of(shop.charlie).get(f"/api/v1/conversations/{shop.conversation.pk}/").status_code == 404


def test_only_the_writer_changes_and_deletes_a_note(shop: Shop) -> None:
    anna = factories.make_agent("anna", channels=(shop.channel,))
    fields = {"conversation": shop.conversation.pk, "text": "A"}
    address = f"/api/v1/notes/{client_of(shop.alice).post('/api/v1/notes/', fields, format='json').json()['id']}/"
    assert client_of(anna).patch(address, {"text": "B"}, format="json").status_code in (409, 422)
    assert client_of(shop.bob).patch(address, {"text": "B"}, format="json").status_code == 404
    assert client_of(shop.bob).delete(address).status_code == 404
    changed = client_of(shop.alice).patch(address, {"text": "B"}, format="json").json()
    assert (changed["text"], bool(changed["edited_at"])) == ("B", True)
    assert client_of(anna).delete(address).status_code in (409, 422)
    assert client_of(shop.alice).delete(address).status_code == 204
    assert Message.objects.get(kind="note").text == ""
    reply = f"/api/v1/notes/{shop.message.pk}/"
    assert client_of(shop.alice).delete(reply).status_code == 404


def test_what_cannot_be_mentioned_is_named(shop: Shop) -> None:
    client = client_of(shop.alice)
    base = {"conversation": shop.conversation.pk, "text": "A"}
    for name, value in (("mention_agents", [9999]), ("mention_departments", [9999]), ("give_access", [9999])):
        answer = client.post("/api/v1/notes/", {**base, name: value}, format="json")
        assert (answer.status_code, list(answer.json())) == (400, [name])
    many = {**base, "mention_agents": list(range(1, 60))}
    assert client.post("/api/v1/notes/", many, format="json").status_code == 400
    access_only = {**base, "give_access": [shop.charlie.agent.pk]}
    assert client.post("/api/v1/notes/", access_only, format="json").status_code == 400


def test_a_note_that_can_never_be_stored_is_unfit_whatever_is_wrong_with_it(shop: Shop) -> None:
    client = client_of(shop.alice)
    base = {"conversation": shop.conversation.pk, "text": "Look"}
    program = {**base, "files": [SimpleUploadedFile("setup.exe", b"MZ")]}
    answer = client.post("/api/v1/notes/", program, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (422, "file_refused")
    many = {**base, "files": [SimpleUploadedFile(f"{number}.png", factories.png()) for number in range(21)]}
    answer = client.post("/api/v1/notes/", many, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (422, "file_refused")
    assert not Message.objects.filter(kind="note").exists()
