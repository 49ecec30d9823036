"""English sentences that are made far from a page and translated where they are shown. Pure.

The history, the reason why a message was not sent, or the line of a thread is stored once and read by people of several
languages, and the API answers in English. `sentence` therefore returns English and marks the text for the catalogues;
the filter `translated` (desk.languages) translates it for whoever reads it. Text that goes straight to a page uses
Django's gettext.
"""


def sentence(message: str, **values: object) -> str:
    """Return the English text with its values inserted: `sentence("%(name)s was added.", name=user)`.

    A value whose name ends in `_text` is made by `sentence` too, or is a list of such texts joined with ", "; it is
    translated with the rest. All other values are shown as they are, except that numbers and dates follow the language.
    """
    return message % values if values else message


def counted(one: str, many: str, number: int, /, **values: object) -> str:
    """Return the English text for a number: `counted("%(count)s file.", "%(count)s files.", 3)` is "3 files.".

    `%(count)s` is the number, or what `count` is, such as the same number with a comma. The catalogues choose among the
    plural forms of their language by it, also where a stored text is shown.
    """
    return (one if number == 1 else many) % {"count": number, **values}
