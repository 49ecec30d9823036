"""Say which permission somebody lacks, in words."""

from django.apps import apps

from desk.languages import in_english
from desk.sentences import sentence

SENTENCES = {
    "view": sentence("view %(objects_text)s"),
    "add": sentence("add %(objects_text)s"),
    "change": sentence("change %(objects_text)s"),
    "delete": sentence("delete %(objects_text)s"),
    "share": sentence("share %(objects_text)s"),
}


def sentence_for(*permissions: str) -> str:
    """Return what a user may not do who has none of these permissions, and whom to ask."""
    words = list(dict.fromkeys(in_words(permission) for permission in permissions))
    if len(words) == 1:
        return sentence(
            "Your account may not %(action_text)s. Ask an administrator for this permission.", action_text=words[0]
        )
    return sentence(
        "Your account may not %(action_text)s or %(other_text)s. Ask an administrator for this permission.",
        action_text=", ".join(words[:-1]),
        other_text=words[-1],
    )


def in_words(permission: str) -> str:
    """Return what a permission allows, such as "delete canned replies" for "tickets.delete_cannedreply"."""
    app_label, _, codename = permission.partition(".")
    action, _, model_name = codename.partition("_")
    if action not in SENTENCES:
        return codename.replace("_", " ")
    objects = in_english(apps.get_model(app_label, model_name)._meta.verbose_name_plural)
    return SENTENCES[action] % {"objects_text": objects}
