"""What Desk writes to people about their accounts: one letter for each of allauth's templates."""

from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse

from desk.letters import Letter, installation_name, moment
from desk.models import User

MAX_BROWSER = 200
NOT_YOU = "If this was not you, choose a new password at once, and tell an administrator."
ADDRESSES = ("Review your e-mail addresses", "account_email")
SECOND_STEP = ("Review two-step login", "mfa_index")
NEW_PASSWORD = ("Choose a new password", "account_reset_password")
FACEBOOK = ("Open the channels", "setup:messenger")


@dataclass(frozen=True)
class _Change:
    """A notice about a change of an account: subject, a sentence with values of the context, and the button."""

    subject: str
    sentence: str
    button: tuple[str, str]


_CHANGES = {
    "account/email/password_changed": _Change(
        "Your password was changed", "The password of your account in {name} was changed.", NEW_PASSWORD
    ),
    "account/email/password_reset": _Change(
        "Your password was changed",
        "The password of your account in {name} was changed by a link from an e-mail.",
        NEW_PASSWORD,
    ),
    "account/email/password_set": _Change(
        "Your password was set", "A password was set for your account in {name}.", NEW_PASSWORD
    ),
    "account/email/email_changed": _Change(
        "Your e-mail address was changed",
        "The e-mail address of your account in {name} was changed from {from_email} to {to_email}.",
        ADDRESSES,
    ),
    "account/email/email_confirm": _Change(
        "Your e-mail address was confirmed", "An e-mail address of your account in {name} was confirmed.", ADDRESSES
    ),
    "account/email/email_deleted": _Change(
        "An e-mail address was removed",
        "The e-mail address {deleted_email} was removed from your account in {name}.",
        ADDRESSES,
    ),
    "mfa/email/totp_activated": _Change(
        "Authenticator app turned on",
        "An authenticator app was added to your account in {name}. From now on, its codes are asked for at login.",
        SECOND_STEP,
    ),
    "mfa/email/totp_deactivated": _Change(
        "Authenticator app turned off",
        "The authenticator app was removed from your account in {name}. Its codes are no longer asked for at login.",
        SECOND_STEP,
    ),
    "mfa/email/recovery_codes_generated": _Change(
        "New recovery codes",
        "New recovery codes were made for your account in {name}. Older ones no longer work.",
        SECOND_STEP,
    ),
    "mfa/email/webauthn_added": _Change(
        "A passkey was added", "A passkey was added to your account in {name}.", SECOND_STEP
    ),
    "mfa/email/webauthn_removed": _Change(
        "A passkey was removed", "A passkey was removed from your account in {name}.", SECOND_STEP
    ),
    "socialaccount/email/account_connected": _Change(
        "A {provider} account was linked", "A {provider} account was linked with your account in {name}.", FACEBOOK
    ),
    "socialaccount/email/account_disconnected": _Change(
        "A {provider} account was unlinked",
        "A {provider} account is no longer linked with your account in {name}.",
        FACEBOOK,
    ),
}


def letter_for(template_prefix: str, to: str, context: dict[str, Any]) -> Letter:
    """Return the letter in place of the templates of allauth that begin with the prefix."""
    if change := _CHANGES.get(template_prefix):
        return _notice(change, to, context)
    if template_prefix == "account/email/password_reset_key":
        return _password_reset(to, context)
    if template_prefix.startswith("account/email/email_confirmation") and "activate_url" in context:
        return _confirmation(to, context)
    if template_prefix == "account/email/unknown_account":
        return _unknown_account(to)
    return _other(template_prefix, to, context)


def invitation(user: User, by: User, link: str, days: int) -> Letter:
    """Return the letter with which `by` invites `user` to choose a password with `link`."""
    name = installation_name()
    return Letter(
        subject=f"{by} invited you to {name}",
        paragraphs=(
            f"{by} made an account for you in {name}, the help desk of your team. Choose a password to begin.",
            f"The link works once, and for {days} days. After that, ask {by} for a new one.",
        ),
        facts=(("Your username", user.username),),
        action="Choose a password",
        path=link,
        why=f"You get this message because {by} invited {user.email} to {name}.",
    )


def _belongs(to: str) -> str:
    return f"You get this message because {to} is the e-mail address of an account in {installation_name()}."


def _notice(change: _Change, to: str, context: dict[str, Any]) -> Letter:
    action, url_name = change.button
    values = {key: str(value) for key, value in context.items()} | {"name": installation_name()}
    facts = [("When", moment(context["timestamp"]))] if context.get("timestamp") else []
    facts += [("From the address", str(context["ip"]))] if context.get("ip") else []
    facts += [("Browser", str(context["user_agent"])[:MAX_BROWSER])] if context.get("user_agent") else []
    return Letter(
        subject=change.subject.format_map(values),
        paragraphs=(change.sentence.format_map(values),),
        facts=tuple(facts),
        closing=(NOT_YOU,),
        action=action,
        path=reverse(url_name),
        why=_belongs(to),
    )


def _password_reset(to: str, context: dict[str, Any]) -> Letter:
    name = installation_name()
    return Letter(
        subject=f"Choose a new password for {name}",
        paragraphs=(
            f"Somebody asked for a new password for the user {context['username']}.",
            "The link works once, and for three days. If you did not ask for it, ignore this message: nothing has "
            "changed.",
        ),
        action="Choose a new password",
        path=context["password_reset_url"],
        why=_belongs(to),
    )


def _confirmation(to: str, context: dict[str, Any]) -> Letter:
    name = installation_name()
    return Letter(
        subject=f"Confirm your e-mail address for {name}",
        paragraphs=(
            f"The user {context['user']} of {name} entered {to} as their e-mail address.",
            "If this is you, confirm it. If not, ignore this message.",
        ),
        action="Confirm this address",
        path=context["activate_url"],
        why=f"You get this message because somebody entered {to} in {name}.",
    )


def _unknown_account(to: str) -> Letter:
    name = installation_name()
    return Letter(
        subject=f"No account in {name}",
        paragraphs=(
            f"Somebody tried to log in to {name} with {to}, but no account has this address.",
            "If it was you, ask an administrator for an account. If not, ignore this message.",
        ),
        action="Open the login page",
        path=reverse("account_login"),
        why=f"You get this message because somebody entered {to} in {name}.",
    )


def _other(template_prefix: str, to: str, context: dict[str, Any]) -> Letter:
    """Return a letter with the words of allauth, for a template that Desk does not use today."""
    values = {"email": to, **context}
    body = render_to_string(f"{template_prefix}_message.txt", values)
    paragraphs = tuple(part for part in body.split("\n\n") if part.strip())
    subject = render_to_string(f"{template_prefix}_subject.txt", values)
    return Letter(
        subject=subject,
        paragraphs=paragraphs,
        action="Open the login page",
        path=reverse("account_login"),
        why=_belongs(to),
    )
