"""Texts for App Review: what to write for each permission and feature, what to record, and what reviewers look at.

Sources: Meta, "App Review: common mistakes", "App Review tutorial", "Screen recordings", "Human Agent"; for the two
rejections that are named, a public report of an operator of another help desk (chatwoot, discussion 16245).
"""

from dataclasses import dataclass

from django.conf import settings

from channels_im.messenger.scopes import HUMAN_AGENT_FEATURE, PROFILE_FEATURE, UTILITY_SCOPES
from channels_im.services.go_live import addresses, catalogue
from desk.sentences import sentence


@dataclass(frozen=True)
class ReviewText:
    """What to write for one permission or feature: what Desk does with it, and how the reviewer sees it."""

    name: str
    use: str
    see: str

    @property
    def text(self) -> str:
        """Return the whole text to copy."""
        return f"{self.use}\n\nHow to see it:\n{self.see}"  # English only: pasted into Meta's form


@dataclass(frozen=True)
class Scene:
    """A step of the screen recording: what to do, what must be seen, and how it is rehearsed with the sandbox."""

    do: str
    seen: str
    rehearse: str


_ABOUT = (  # English only: pasted into Meta's form
    "Our customer service answers people who write to our Facebook Page in Messenger. The agents work in Desk, a "
    "help desk that we run on our own server."
)

_TEXTS: dict[str, tuple[str, str]] = {  # English only: pasted into Meta's form
    "pages_show_list": (
        f"{_ABOUT} An administrator logs in with Facebook and chooses the Page whose messages a department answers. "
        "Desk uses pages_show_list to list the Pages that this person manages, so that they can choose one. Desk "
        "stores the id, the name and the picture of these Pages.",
        "1. Log in to Desk and open Setup → Messenger → Create Channel.\n"
        "2. Choose “Link Facebook” (“Re-authenticate” when a Page is linked already) and log in. Select a Page and "
        "confirm all permissions.\n"
        "3. The field “Facebook Page” of the form lists the Pages that you selected. Choose one and save.",
    ),
    "pages_messaging": (
        f"{_ABOUT} Desk uses pages_messaging to receive the messages that people send to the Page and to send the "
        "replies that our agents write. When a person writes abusive messages, an agent can also block them. Desk "
        "never begins a conversation.",
        "1. From another Facebook account, write a message to the Page in Messenger.\n"
        "2. Open Inbox in Desk: the message is at the top of the list within seconds. Open it.\n"
        "3. Write a reply and choose Send. It arrives in Messenger, and the ticks beside it show that it was "
        "delivered.",
    ),
    "pages_manage_metadata": (
        f"{_ABOUT} Desk uses pages_manage_metadata to subscribe the Page to webhooks, so that messages reach our "
        "agents at once, and to read the subscription every day, so that we notice when it has ended.",
        "1. Open Setup → Messenger and choose the channel of the Page.\n"
        "2. The check on this page shows “Facebook sends this Page's events to Desk” and “All message events are on”. "
        "“Check now” subscribes again and reads the subscription back.\n"
        "3. Write to the Page in Messenger: the message appears in the inbox, because the webhook delivered it.",
    ),
    "pages_read_engagement": (
        f"{_ABOUT} Desk uses pages_read_engagement to read the conversations of the Page: to find out whether a reply "
        "arrived when Facebook's answer to it was lost, so that nobody gets a reply twice; to fetch messages that "
        "arrived while our server was down; and to import earlier messages when a Page is connected.",
        "1. Open Setup → Messenger and choose the channel of the Page.\n"
        "2. In “Earlier messages” choose a number of days and start the import.\n"
        "3. Open the inbox: the earlier conversations of the Page are in the list, marked as imported.",
    ),
    "business_management": (
        f"{_ABOUT} Our Page belongs to a business portfolio. Without business_management, Facebook leaves such Pages "
        "out of the list from which the administrator chooses. Desk uses it only to list these Pages, and changes "
        "nothing in the portfolio.",
        "1. Log in to Desk and open Setup → Messenger → Create Channel.\n"
        "2. Choose “Link Facebook” (“Re-authenticate” when a Page is linked already), log in, and select a Page "
        "that a business portfolio owns.\n"
        "3. The field “Facebook Page” lists it. Choose it and save.",
    ),
    UTILITY_SCOPES[0]: (
        f"{_ABOUT} Some answers are ready only after the messaging window has closed, for example that an order was "
        f"sent. Desk uses {UTILITY_SCOPES[0]} to send templates that Facebook has approved for this purpose. An "
        "agent chooses the template and fills it in; nothing is sent automatically, and nothing advertises.",
        "1. Open Setup → Messenger, choose the channel, then “Message templates”. Create a template.\n"
        "2. Open a conversation in the inbox whose messaging window has closed, and choose “Send a template”.\n"
        "3. Choose the template, fill in its placeholders and send it. It arrives in Messenger.",
    ),
    HUMAN_AGENT_FEATURE: (
        f"{_ABOUT} Some questions cannot be answered within 24 hours: an agent asks a specialist first, or the "
        "question came on a Friday evening. We need Human Agent to answer such a question within seven days of the "
        "person's last message. Desk uses the tag HUMAN_AGENT only for what a person has written in the inbox, and "
        "only when the 24 hours are over. It never tags automatic messages, and we send no advertising with it.",
        "1. Open the conversation of a person who wrote more than 24 hours and less than seven days ago. The clock "
        "at the top of it says how long a person may still reply.\n"
        "2. Write an answer to the person's question and choose Send.\n"
        "3. It arrives in Messenger, and the conversation in Desk shows who wrote it and when.",
    ),
    PROFILE_FEATURE: (
        f"{_ABOUT} Desk uses Business Asset User Profile Access to show the agent the name and the picture of the "
        "person who wrote, so that they can address them and recognise a conversation. Both are shown in the inbox "
        "only, and are deleted with the person's data.",
        "1. From another Facebook account, write a message to the Page in Messenger.\n"
        "2. Open Inbox in Desk: the list and the conversation show the name and the picture of that account.",
    ),
}


def texts() -> list[ReviewText]:
    """Return the text of each permission and feature that this installation asks for."""
    return [ReviewText(name, *_TEXTS[name]) for name in catalogue.access_names()]


def login_text() -> str:
    """Return the text that tells reviewers how to log in, with gaps for the account."""
    return (  # English only: pasted into Meta's form
        "Desk is a web application for our own staff. How to log in:\n"
        f"1. Open {settings.PUBLIC_URL}/\n"
        "2. User name: [user name]   Password: [password]\n"
        "3. Facebook Login is in Setup → Messenger → Create Channel → Link Facebook (called Re-authenticate when a "
        f"Page is linked already): {settings.PUBLIC_URL}/admin/instant-messaging/messenger/add/\n"
        "Staff log in with a user name and a password. Facebook Login is used to connect Pages, not to log in to "
        "Desk.\n"
        f"Privacy policy: {addresses.privacy_policy()}"
    )


def scenes() -> list[Scene]:
    """Return the script of the screen recording, in order."""
    late_reply = [_LATE_REPLY] if settings.META_HUMAN_AGENT else []
    template = [_TEMPLATE] if settings.META_UTILITY_MESSAGES else []
    return [*_SCENES_OF_ALL, *late_reply, *template, _END]


_SCENES_OF_ALL = (
    Scene(
        sentence("Open Desk in a browser and log in with the user name and the password that you give the reviewers."),
        sentence("The address, the login page, and the inbox behind it."),
        sentence("Log in as admin."),
    ),
    Scene(
        sentence(
            "Choose Setup → Messenger → Create Channel. Move the pointer to “Link Facebook” (“Re-authenticate” when a "
            "Page is linked already) and wait two seconds."
        ),
        sentence("Where Facebook Login is. A reviewer who does not find the button rejects the whole submission."),
        sentence("The same."),
    ),
    Scene(
        sentence("Choose it and go through the whole dialog: the account, the Pages, the permissions, Done."),
        sentence("The dialog of Facebook with every permission that you ask for, none switched off."),
        sentence("In the sandbox's dialog log in as Omar Haddad and select Haddad Optics."),
    ),
    Scene(
        sentence("Choose the Page in the list, give the channel a name, an icon and a department, and save."),
        sentence("The list of Pages, then the check of the channel with three ticks."),
        sentence("The same. Create a department first when there are as many channels as departments."),
    ),
    Scene(
        sentence("In a second window, as another person, write to the Page in Messenger: “Is the blue bike in stock?”"),
        sentence("Messenger with the message, and who writes it."),
        sentence("Open the sandbox's Messenger window, choose a customer and the Page, and write."),
    ),
    Scene(
        sentence("Go back to Desk → Inbox and open the conversation."),
        sentence("The message in the list and in the conversation, with the name and the picture of the person."),
        sentence("The same."),
    ),
    Scene(
        sentence("Write an answer by hand and send it. Then show Messenger again."),
        sentence("The reply in both windows, and the ticks for delivered and read in Desk."),
        sentence("The same; open the conversation in the Messenger window so that the reply is read."),
    ),
    Scene(
        sentence("Open Setup → Messenger → the channel → Earlier messages, and start an import of some days."),
        sentence("The earlier conversations of the Page in the inbox."),
        sentence("The same, with the channel of Berg Bikes, which has ten days of conversations."),
    ),
)
_LATE_REPLY = Scene(
    sentence(
        "Open a conversation whose last message is from the day before yesterday. Show its time, then answer the "
        "question by hand. Show Messenger."
    ),
    sentence(
        "The date of the question, the clock that says how long a person may still reply, and the answer in Messenger. "
        "Prepare the conversation two days before you record."
    ),
    sentence("The demo has conversations of the last ten days: choose one that is between one and seven days old."),
)
_TEMPLATE = Scene(
    sentence(
        "Open a conversation whose messaging window has closed, choose “Send a template”, fill one in and send it."
    ),
    sentence("The template, its placeholders, and the message in Messenger."),
    sentence("Create a template first: the sandbox approves it within a second."),
)
_END = Scene(
    sentence("Open the privacy policy and the page on data deletion in a window without a login."),
    sentence("Both pages at the addresses that you entered in the App Dashboard."),
    sentence("The same."),
)


@dataclass(frozen=True)
class Advice:
    """What the reviewers do or want, and where it is written."""

    text: str
    source: str = ""
    url: str = ""


_MISTAKES = (
    sentence("Meta: common mistakes"),
    "https://developers.facebook.com/docs/app-review/submission-guide/common-mistakes",
)
_TUTORIAL = (
    sentence("Meta: App Review tutorial"),
    "https://developers.facebook.com/docs/resp-plat-initiatives/appreview/tutorial/",
)
_RECORDINGS = (sentence("Meta: screen recordings"), "https://developers.facebook.com/docs/apps/review/screencast")
_FEATURE = (sentence("Meta: Human Agent"), "https://developers.facebook.com/docs/features-reference/human-agent")
_OTHERS = (sentence("a report by another operator"), "https://github.com/orgs/chatwoot/discussions/16245")


def advice() -> list[Advice]:
    """Return what to know before submitting."""
    return [
        Advice(
            sentence("They try everything themselves. What they cannot open or log in to is rejected as a whole."),
            *_MISTAKES,
        ),
        Advice(
            sentence(
                "Give them an account of their own: with a role that may manage channels, as an agent of the Page "
                "under review only, and without two-step login, because they have no telephone of yours. Deactivate it "
                "after the review."
            )
        ),
        Advice(sentence("Do not give them an invented Facebook account: it alone is a reason to reject."), *_MISTAKES),
        Advice(sentence("Ask only for what Desk uses now. What no recording shows is not approved."), *_MISTAKES),
        Advice(
            sentence(
                "In the 30 days before, each permission must have been used in a successful call. Link a Page, send a "
                "reply and import earlier messages: then all were."
            ),
            *_TUTORIAL,
        ),
        Advice(
            sentence("Record in English, or with English captions, and show the login and the choice of Pages."),
            *_RECORDINGS,
        ),
    ]


def human_agent_advice() -> list[Advice]:
    """Return what the reviewers want to see for Human Agent, the feature that is rejected most."""
    return [
        Advice(
            sentence(
                "A person writes the late answer, to a question that the customer asked at most seven days ago. "
                "Nothing automatic, scheduled or promotional may be visible."
            ),
            *_FEATURE,
        ),
        Advice(
            sentence(
                "One recording must show all of it: Facebook Login and the choice of the Page, a message that arrives, "
                "a person who answers, and an answer after more than 24 hours."
            )
        ),
        Advice(
            sentence(
                "Connect the Page in the recording, even if it was connected before. A submission with a Page that was "
                "connected already was rejected with “Unable to Locate Facebook Login”."
            ),
            *_OTHERS,
        ),
        Advice(
            sentence(
                "The Page must answer while they test. A submission with a complete recording was rejected with "
                "“Messenger Bot Not Functional” after the reviewers had connected a Page and looked into the inbox "
                "several times. Let an agent answer every message to the Page until the review is over, and say in the "
                "text that people answer, and when."
            ),
            *_OTHERS,
        ),
        Advice(
            sentence(
                "Say where Facebook Login is: Desk's own login is no Facebook Login, and the reviewers look for one. "
                "The text on how to log in, below, says it."
            )
        ),
    ]
