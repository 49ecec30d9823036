"""Send e-mail: to the administrators, to one person, and as a test.

What an e-mail tells is recorded as told only after the mail server has accepted it. A row whose e-mail is due is
claimed first, by a time in one of its fields (`claim`): when the worker dies or the server refuses, the row is due
again after that time. An e-mail that was accepted just before the worker died is sent twice, with the same Message-ID.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.mail import EmailMessage
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import translation

from desk import letters, metrics
from desk.languages import of_person, spoken_by
from desk.models import User
from desk.sentences import counted, sentence

logger = logging.getLogger(__name__)

#: How long a claimed row is left alone: longer than a task of the worker may run (Q_CLUSTER).
LEASE = timedelta(minutes=5)
RETRY_DELAY = timedelta(minutes=5)
#: After the first day without a mail server.
SLOW_RETRY_DELAY = timedelta(hours=1)
#: What sending raises: the server's refusal, no connection, no answer in time, an address that cannot be written.
ERRORS = (SMTPException, OSError, ValueError)

_BACKENDS = "django.core.mail.backends."
OFF = sentence(
    "E-mail is turned off (EMAIL_URL=none). Nobody is told when a Page loses its access, and no password can be reset."
)
ONLY_PRINTED = sentence(
    "E-mail is only printed by the processes of Desk and reaches nobody. Set EMAIL_URL to your mail server."
)
PRINTS_LINKS = (  # English only: for the console
    "EMAIL_URL is not set, or is consolemail://: links that reset passwords would be printed into the log. Set it to a "
    "mail server, for example smtp+tls://user:password@mail.example.com:587, or to none: then Desk sends no e-mail."
)
NO_ADDRESS = sentence("No administrator has an e-mail address, so nobody is told when a Page loses its access.")


def problem() -> str:
    """Return why no e-mail reaches anybody, as a sentence for administrators; "" when it is sent."""
    return {f"{_BACKENDS}dummy.EmailBackend": OFF, f"{_BACKENDS}console.EmailBackend": ONLY_PRINTED}.get(
        settings.EMAIL_BACKEND, ""
    )


def unsuitable() -> str:
    """Return why a real installation must not be served with these settings of e-mail, as a sentence; "" if it may."""
    return PRINTS_LINKS if problem() == ONLY_PRINTED else ""


def check_mail(**_options: object) -> list[checks.CheckMessage]:
    """Report e-mail that is printed as an error of `check --deploy`."""
    return [checks.Error(reason, id="desk.E002")] if (reason := unsuitable()) else []


def is_off() -> bool:
    """Return whether e-mail is turned off on purpose."""
    return problem() == OFF


def administrator_addresses() -> list[str]:
    """Return the e-mail addresses of all active administrators, without duplicates."""
    return sorted({user.email for user in _administrators()})


def _administrators() -> QuerySet[User, User]:
    users = User.objects.filter(Q(is_staff=True) | Q(is_superuser=True), is_active=True)
    return users.exclude(email="").order_by("pk")


def _addresses_by_language() -> dict[str, list[str]]:
    """Return the addresses of all active administrators by the language in which they get e-mail, each once."""
    language_of: dict[str, str] = {}
    for user in _administrators():
        language_of.setdefault(user.email, of_person(user))
    addresses: dict[str, list[str]] = {}
    for address, language in sorted(language_of.items()):
        addresses.setdefault(language, []).append(address)
    return addresses


def reaches_administrators() -> bool:
    """Return whether e-mail is on and an administrator has an address. If not, what is to be told waits."""
    return not is_off() and bool(administrator_addresses())


def send_to_administrators(letter: letters.Letter | Callable[[], letters.Letter], *, key: str) -> int:
    """Send one letter to all administrators; return the number of messages sent, 0 when nobody has an address.

    There is a message for each of their languages; a function that returns the letter is called in each. `key` names
    what is told: the same key makes the same Message-ID, by which mail programs recognise a repetition.
    Raises one of ERRORS, after all were tried. When the server accepts some messages and refuses the others for good,
    it does not raise: whoever tries again would repeat the accepted ones each time.
    """
    if is_off():
        return 0
    sent, failures = 0, list[Exception]()
    for language, to in _addresses_by_language().items():
        with translation.override(language):
            rendered = letters.render(letter if isinstance(letter, letters.Letter) else letter())
        try:
            sent += letters.message(rendered, to, {"Message-ID": _message_id(key, language)}).send() or 0
        except ERRORS as error:
            metrics.MAILS.add("failed")
            failures.append(error)
        else:
            metrics.MAILS.add("sent")
    for failure in failures:
        if not (sent and _is_final(failure)):
            raise failure
        logger.error("An e-mail to some of the administrators was refused: %s", sentence_for(failure))
    return sent


def _is_final(error: Exception) -> bool:
    """Return whether the server has refused the message or all its recipients, so that it would do so again."""
    return isinstance(error, SMTPRecipientsRefused) or (
        isinstance(error, SMTPResponseException) and error.smtp_code >= 500
    )


def _message_id(key: str, language: str) -> str:
    told = key if language in ("", settings.LANGUAGE_CODE) else f"{key} {language}"
    digest = hashlib.sha256(f"{settings.SECRET_KEY} {told}".encode()).hexdigest()[:32]
    return f"<{digest}@{urlsplit(settings.PUBLIC_URL).hostname or 'desk'}>"


def send_to_person(user: User, letter: Callable[[], letters.Letter], *, key: str, headers: dict[str, str]) -> int:
    """Send one letter to a person in their language; return whether it was sent: 0 without an address.

    `key` is as in `send_to_administrators`. Raises one of ERRORS.
    """
    if is_off() or not user.email:
        return 0
    with spoken_by(user):
        message = letters.message(
            letters.render(letter()), [user.email], {"Message-ID": _message_id(key, ""), **headers}
        )
    return message.send() or 0


# --- A person waits ---------------------------------------------------------------------------------------------------
def send_to_user(message: EmailMessage) -> int:
    """Send a message that a person asked for, such as a link that resets a password; return whether it was sent.

    Nothing of its content is logged.
    """
    if is_off():
        logger.warning("An e-mail to a user was not sent: e-mail is turned off (EMAIL_URL=none)")
        return 0
    try:
        return message.send() or 0
    except Exception as error:
        logger.error("An e-mail to a user could not be sent: %s", sentence_for(error))
        return 0


def send_test(user: User) -> str:
    """Send a test message to `user`; return "" when the mail server accepted it, else its error as a sentence.

    Ends after EMAIL_TIMEOUT, however slowly the server answers.
    """
    if not user.email:
        return sentence("Your user has no e-mail address. Enter one in Setup → People.")
    if reason := problem():
        return reason
    with spoken_by(user):
        message = letters.message(letters.render(_test_letter(user)), [user.email])
    outcome: Future[None] = Future()

    def send() -> None:
        try:
            message.send()
            outcome.set_result(None)
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=send, name="test mail", daemon=True).start()  # English only: a name in the log
    try:
        outcome.result(settings.EMAIL_TIMEOUT)
    except Exception as error:
        return sentence_for(error)
    return ""


def _test_letter(user: User) -> letters.Letter:
    name = letters.installation_name()
    return letters.Letter(
        subject=sentence("Test message from %(name)s", name=name),
        paragraphs=(sentence("E-mail works: your mail server accepted this message, and it reached you."),),
        action=sentence("Open Health"),
        path=f"{reverse('setup:health')}#mail",
        why=sentence("You get this message because %(user)s asked for it in Setup of %(name)s.", user=user, name=name),
    )


def sentence_for(error: Exception) -> str:
    """Return a sentence with the answer of the mail server, or with the reason why there is none."""
    server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):  # smtplib wraps it
        return counted(
            "The mail server %(server)s did not answer within %(count)s second.",
            "The mail server %(server)s did not answer within %(count)s seconds.",
            round(settings.EMAIL_TIMEOUT),
            count=f"{settings.EMAIL_TIMEOUT:g}",
            server=server,
        )
    if isinstance(error, SMTPRecipientsRefused):
        answers = {_answer(code, text) for code, text in error.recipients.values()}
        answer = "; ".join(sorted(answers))
        return sentence("The mail server %(server)s refused the recipient: %(answer)s.", server=server, answer=answer)
    if isinstance(error, SMTPResponseException):
        answer = _answer(error.smtp_code, error.smtp_error)
        return sentence("The mail server %(server)s answered %(answer)s.", server=server, answer=answer)
    if isinstance(error, OSError) and error.strerror:
        return sentence("The mail server %(server)s cannot be reached: %(error)s.", server=server, error=error.strerror)
    words = " ".join(str(error).split())[:300]
    return sentence("The mail server %(server)s did not accept the message: %(error)s.", server=server, error=words)


def _answer(code: int, text: bytes | str) -> str:
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    return f"{code} {' '.join(words.split())[:300]}".rstrip(" .")
