"""Say which permission somebody lacks, in words."""

from django.apps import apps

ACTIONS = ("view", "add", "change", "delete")


def sentence_for(*permissions: str) -> str:
    """Return what a user may not do who has none of these permissions, and whom to ask."""
    words = " or ".join(dict.fromkeys(in_words(permission) for permission in permissions))
    return f"Your account may not {words}. Ask an administrator for this permission."


def in_words(permission: str) -> str:
    """Return what a permission allows, such as "delete canned replies" for "tickets.delete_cannedreply"."""
    app_label, _, codename = permission.partition(".")
    action, _, model_name = codename.partition("_")
    if action not in ACTIONS:
        return codename.replace("_", " ")
    return f"{action} {apps.get_model(app_label, model_name)._meta.verbose_name_plural}"
