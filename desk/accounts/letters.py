"""What Desk writes to people about their accounts: one letter for each of allauth's templates."""

from dataclasses import dataclass
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse

from desk.letters import Letter, installation_name, shown_moment
from desk.models import User
from desk.sentences import counted, sentence

MAX_BROWSER = 200
NOT_YOU = sentence("If this was not you, choose a new password at once, and tell an administrator.")
ADDRESSES = (sentence("Review your e-mail addresses"), "account_email")
SECOND_STEP = (sentence("Review two-step login"), "mfa_index")
NEW_PASSWORD = (sentence("Choose a new password"), "account_reset_password")
FACEBOOK = (sentence("Open the channels"), "setup:messenger")


@dataclass(frozen=True)
class _Change:
    """A notice about a change of an account: subject, a sentence with values of the context, and the button."""

    subject: str
    sentence: str
    button: tuple[str, str]


_CHANGES = {
    "account/email/password_changed": _Change(
        sentence("Your password was changed"),
        sentence("The password of your account in %(name)s was changed."),
        NEW_PASSWORD,
    ),
    "account/email/password_reset": _Change(
        sentence("Your password was changed"),
        sentence("The password of your account in %(name)s was changed by a link from an e-mail."),
        NEW_PASSWORD,
    ),
    "account/email/password_set": _Change(
        sentence("Your password was set"), sentence("A password was set for your account in %(name)s."), NEW_PASSWORD
    ),
    "account/email/email_changed": _Change(
        sentence("Your e-mail address was changed"),
        sentence("The e-mail address of your account in %(name)s was changed from %(from_email)s to %(to_email)s."),
        ADDRESSES,
    ),
    "account/email/email_confirm": _Change(
        sentence("Your e-mail address was confirmed"),
        sentence("An e-mail address of your account in %(name)s was confirmed."),
        ADDRESSES,
    ),
    "account/email/email_deleted": _Change(
        sentence("An e-mail address was removed"),
        sentence("The e-mail address %(deleted_email)s was removed from your account in %(name)s."),
        ADDRESSES,
    ),
    "mfa/email/totp_activated": _Change(
        sentence("Authenticator app turned on"),
        sentence(
            "An authenticator app was added to your account in %(name)s. From now on, its codes are asked for at login."
        ),
        SECOND_STEP,
    ),
    "mfa/email/totp_deactivated": _Change(
        sentence("Authenticator app turned off"),
        sentence(
            "The authenticator app was removed from your account in %(name)s. "
            "Its codes are no longer asked for at login."
        ),
        SECOND_STEP,
    ),
    "mfa/email/recovery_codes_generated": _Change(
        sentence("New recovery codes"),
        sentence("New recovery codes were made for your account in %(name)s. Older ones no longer work."),
        SECOND_STEP,
    ),
    "mfa/email/webauthn_added": _Change(
        sentence("A passkey was added"), sentence("A passkey was added to your account in %(name)s."), SECOND_STEP
    ),
    "mfa/email/webauthn_removed": _Change(
        sentence("A passkey was removed"), sentence("A passkey was removed from your account in %(name)s."), SECOND_STEP
    ),
    "socialaccount/email/account_connected": _Change(
        sentence("A %(provider)s account was linked"),
        sentence("A %(provider)s account was linked with your account in %(name)s."),
        FACEBOOK,
    ),
    "socialaccount/email/account_disconnected": _Change(
        sentence("A %(provider)s account was unlinked"),
        sentence("A %(provider)s account is no longer linked with your account in %(name)s."),
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
        subject=sentence("%(person)s invited you to %(name)s", person=by, name=name),
        paragraphs=(
            sentence(
                "%(person)s made an account for you in %(name)s, the help desk of your team. "
                "Choose a password to begin.",
                person=by,
                name=name,
            ),
            counted(
                "The link works once, and for %(count)s day. After that, ask %(person)s for a new one.",
                "The link works once, and for %(count)s days. After that, ask %(person)s for a new one.",
                days,
                person=by,
            ),
        ),
        facts=((sentence("Your username"), user.username),),
        action=sentence("Choose a password"),
        path=link,
        why=sentence(
            "You get this message because %(person)s invited %(email)s to %(name)s.",
            person=by,
            email=user.email,
            name=name,
        ),
    )


def _belongs(to: str) -> str:
    return sentence(
        "You get this message because %(email)s is the e-mail address of an account in %(name)s.",
        email=to,
        name=installation_name(),
    )


def _notice(change: _Change, to: str, context: dict[str, Any]) -> Letter:
    action, url_name = change.button
    values = {key: str(value) for key, value in context.items()} | {"name": installation_name()}
    facts = [(sentence("When"), shown_moment(context["timestamp"]))] if context.get("timestamp") else []
    facts += [(sentence("From the address"), str(context["ip"]))] if context.get("ip") else []
    facts += [(sentence("Browser"), str(context["user_agent"])[:MAX_BROWSER])] if context.get("user_agent") else []
    return Letter(
        subject=change.subject % values,
        paragraphs=(change.sentence % values,),
        facts=tuple(facts),
        closing=(NOT_YOU,),
        action=action,
        path=reverse(url_name),
        why=_belongs(to),
    )


def _password_reset(to: str, context: dict[str, Any]) -> Letter:
    name = installation_name()
    return Letter(
        subject=sentence("Choose a new password for %(name)s", name=name),
        paragraphs=(
            sentence("Somebody asked for a new password for the user %(user)s.", user=context["username"]),
            sentence(
                "The link works once, and for three days. If you did not ask for it, ignore this message: nothing has "
                "changed."
            ),
        ),
        action=sentence("Choose a new password"),
        path=context["password_reset_url"],
        why=_belongs(to),
    )


def _confirmation(to: str, context: dict[str, Any]) -> Letter:
    name = installation_name()
    return Letter(
        subject=sentence("Confirm your e-mail address for %(name)s", name=name),
        paragraphs=(
            sentence(
                "The user %(user)s of %(name)s entered %(email)s as their e-mail address.",
                user=context["user"],
                name=name,
                email=to,
            ),
            sentence("If this is you, confirm it. If not, ignore this message."),
        ),
        action=sentence("Confirm this address"),
        path=context["activate_url"],
        why=sentence("You get this message because somebody entered %(email)s in %(name)s.", email=to, name=name),
    )


def _unknown_account(to: str) -> Letter:
    name = installation_name()
    return Letter(
        subject=sentence("No account in %(name)s", name=name),
        paragraphs=(
            sentence(
                "Somebody tried to log in to %(name)s with %(email)s, but no account has this address.",
                name=name,
                email=to,
            ),
            sentence("If it was you, ask an administrator for an account. If not, ignore this message."),
        ),
        action=sentence("Open the login page"),
        path=reverse("account_login"),
        why=sentence("You get this message because somebody entered %(email)s in %(name)s.", email=to, name=name),
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
        action=sentence("Open the login page"),
        path=reverse("account_login"),
        why=_belongs(to),
    )
