"""The rows of Meta's error table, as verdicts. Data only.

Sources: Meta, "Messenger Platform error codes", "Handling errors", "Rate limits"; "seen" marks a row that Meta sends
but does not document. A refusal of one message never requires re-authentication: that would stop the whole Page.
"""

from channels_im.messenger.verdicts import RETRY_PROMISE, ErrorKind, ReauthReason, Verdict
from desk.sentences import sentence


def _permanent(text: str) -> Verdict:
    return Verdict(ErrorKind.PERMANENT, None, text)


def _transient(text: str, **flags: bool) -> Verdict:
    return Verdict(ErrorKind.TRANSIENT, None, text, retry=True, **flags)


def _retried(text: str, **flags: bool) -> Verdict:
    return _transient(f"{text} {RETRY_PROMISE}", **flags)


def _reauthenticate(reason: ReauthReason, text: str) -> Verdict:
    return Verdict(ErrorKind.REAUTHENTICATE, reason, text)


UNREACHABLE = _retried(sentence("Facebook could not be reached."))
UNKNOWN_OUTCOME = _transient(
    sentence("Facebook did not confirm. Desk checks whether it was sent before it tries again."), outcome_unknown=True
)
REFUSED = _permanent(
    sentence("Facebook refused this. Change the message and send it again, or ask your administrator.")
)
LIMIT = Verdict(
    ErrorKind.RATE_LIMITED,
    None,
    sentence("Facebook's rate limit is reached. Desk will try again after a pause."),
    retry=True,
)
TOKEN_DEAD = _reauthenticate(
    ReauthReason.TOKEN_EXPIRED,
    sentence("Facebook no longer accepts Desk's access to the Page. An administrator must re-authenticate the Page."),
)
PERMISSION_LOST = _reauthenticate(
    ReauthReason.PERMISSION_REVOKED,
    sentence(
        "A permission for this Page is missing or was revoked. An administrator must log in to the Facebook account "
        "that owns the Page and re-authenticate it."
    ),
)
APP_NOT_LIVE = Verdict(
    ErrorKind.APP_MISCONFIGURED,
    None,
    sentence(
        "The Facebook app may not write to this customer: it is not live or lacks advanced access to pages_messaging. "
        "An administrator must finish the app's review."
    ),
)
_CHECKPOINT = _reauthenticate(
    ReauthReason.CHECKPOINT,
    sentence(
        "Facebook asks the person who linked the Page to confirm their account. They must log in on facebook.com "
        "first, then an administrator must re-authenticate the Page."
    ),
)
_WINDOW = Verdict(
    ErrorKind.WINDOW_CLOSED,
    None,
    sentence("The messaging window is closed. You can reply again when the customer writes."),
)
_PERSON = Verdict(
    ErrorKind.RECIPIENT_UNAVAILABLE,
    None,
    sentence("This customer cannot be reached: they blocked the Page, left Messenger or cannot receive messages now."),
)
_OTHER_APP = Verdict(
    ErrorKind.OTHER_APP_CONTROLS,
    None,
    sentence(
        "Another app or the Page inbox controls this conversation. Take control of it, or wait until it is released."
    ),
)
_RESTRICTED = Verdict(
    ErrorKind.PAGE_RESTRICTED,
    None,
    sentence(
        "Facebook has temporarily restricted this Page from sending. An administrator should check Page quality on "
        "Facebook; try again later."
    ),
)
_MARKETING = _permanent(sentence("Facebook's limit for marketing messages refused this. Send it as a normal reply."))
_PHONE = _permanent(
    sentence("Facebook found nobody with this phone number. Reply in a conversation that the customer started.")
)

TOKEN_CODES = frozenset({190, 102})

TOKEN_SUBCODES: dict[int | None, Verdict] = {
    None: PERMISSION_LOST,
    0: PERMISSION_LOST,
    458: _reauthenticate(
        ReauthReason.APP_REMOVED,
        sentence(
            "The app was removed in the Facebook settings of the person who linked this Page. An administrator must "
            "re-authenticate with the same Facebook account."
        ),
    ),
    459: _CHECKPOINT,
    464: _CHECKPOINT,
    460: _reauthenticate(
        ReauthReason.PASSWORD_CHANGED,
        sentence(
            "The Facebook password of the person who linked this Page was changed. An administrator must "
            "re-authenticate the Page."
        ),
    ),
    463: _reauthenticate(
        ReauthReason.TOKEN_EXPIRED,
        sentence("Access to the Page has expired. An administrator must re-authenticate the Page."),
    ),
    467: TOKEN_DEAD,
    492: _reauthenticate(
        ReauthReason.ROLE_LOST,
        sentence(
            "The person who linked this Page no longer has a role on it. Another administrator of the Page must "
            "re-authenticate it."
        ),
    ),
}

# Subcodes that have a meaning only under their own code.
EXACT: dict[tuple[int | None, int | None], Verdict] = {
    (1, 99): _transient(sentence("Facebook reported an unknown error. If it persists, the app may lack a permission.")),
    (100, 33): _permanent(sentence("Facebook does not know this object, or access to the Page does not include it.")),
}

# Seven-digit numbers. Meta lists some without a code above them, so each counts as subcode and as code.
ANY_POSITION: dict[int | None, Verdict] = {
    1357046: Verdict(
        ErrorKind.PERMANENT,
        None,
        sentence("Facebook sent an unreadable answer, but such messages are delivered. Do not send it again."),
        outcome_unknown=True,
        never_resend=True,
    ),
    2018344: _permanent(
        sentence("The Page has not accepted Facebook's Page Contact Terms. A Page administrator must do so.")
    ),
    2018338: _permanent(
        sentence("Facebook warns that tagged messages bother this customer. Wait until the customer writes.")
    ),
    2018352: _MARKETING,
    1893016: _MARKETING,
    2018354: _MARKETING,
    2018278: _WINDOW,
    2018065: _WINDOW,
    2534022: _WINDOW,
    2018108: _PERSON,
    2018001: Verdict(
        ErrorKind.RECIPIENT_UNAVAILABLE,
        None,
        sentence("Facebook does not know this customer. The account may be gone; you can reply when they write again."),
    ),
    1545041: _PERSON,
    1893063: _RESTRICTED,
    2018336: _permanent(sentence("Facebook refused this change to the conversation's menu. Nothing was changed.")),
    2018300: _OTHER_APP,
    2534037: _OTHER_APP,
    2018321: _retried(sentence("The customer is still answering the automated questions of an ad.")),
    2018008: _retried(sentence("Facebook could not fetch the file.")),
    2018294: _permanent(
        sentence("Facebook could not accept the video: it is damaged or too slow to fetch. Send it again.")
    ),
    2018047: _permanent(
        sentence("Facebook could not accept the file: the upload failed or its type does not match. Try another.")
    ),
    2018074: _permanent(sentence("Facebook no longer has this file. Attach it again.")),
    2018109: _permanent(sentence("The file is too big for Facebook. Send a smaller one.")),
    2018014: _permanent(sentence("A message cannot be sent together with a typing or seen indicator. Send it again.")),
    2018164: Verdict(
        ErrorKind.APP_MISCONFIGURED, None, sentence("The Facebook app id is wrong. An administrator must correct it.")
    ),
    2018034: _permanent(sentence("Facebook does not accept an empty message. Write something or attach a file.")),
    1893061: _permanent(
        sentence("Facebook no longer accepts this message tag. Reply when the customer writes again.")
    ),  # seen
    2018028: APP_NOT_LIVE,
    2018021: _PHONE,
    2018027: _PHONE,
    2018218: _permanent(sentence("Facebook has no profile of this customer.")),
    2018247: Verdict(
        ErrorKind.APP_MISCONFIGURED,
        None,
        sentence("The Facebook app may not read this profile field. An administrator must finish the app's review."),
    ),
    9000001: _permanent(sentence("The message was deleted, or is too old for Facebook to show.")),
}

BY_CODE: dict[int | None, Verdict] = {
    1: _retried(sentence("Facebook reported an unknown error."), outcome_unknown=True),
    2: _retried(sentence("Facebook's service is not available now.")),
    3: Verdict(
        ErrorKind.APP_MISCONFIGURED,
        None,
        sentence("The Facebook app lacks a capability for this. An administrator must finish the app's review."),
    ),
    4: LIMIT,
    17: LIMIT,
    32: LIMIT,
    341: LIMIT,
    613: LIMIT,
    80001: LIMIT,
    80006: LIMIT,
    27: _permanent(
        sentence(
            "Control cannot be taken: the Page has no default app. A Page administrator must set one in the Page "
            "settings."
        )
    ),
    100: REFUSED,
    368: _RESTRICTED,
    551: _PERSON,
    1200: _retried(sentence("Facebook could not send this just now.")),
    2022: _permanent(
        sentence("Facebook has turned off commerce messages for this Page. An administrator should check the Page.")
    ),
}


def is_message_level(subcode: int | None) -> bool:
    """Return whether Meta uses the range of this subcode for messages: such a refusal never stops a Page."""
    return subcode is not None and any(low <= subcode <= low + 999 for low in (1545000, 1893000, 2018000, 2534000))
