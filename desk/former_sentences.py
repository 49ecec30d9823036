"""Sentences that Desk no longer writes but that stand in the rows of databases, so the catalogues must keep them. Pure.

When the words of a sentence that is stored change (history, reason, line of a thread), the old ones move here. A text
that only a page, a form or the API shows needs no place here.
"""

from desk.sentences import sentence

FORMER = (
    sentence("A test message to no address failed: %(problem_text)s"),
    sentence("Conversations of agents who are away are handed back after minutes: %(count)s."),
    sentence("Replayed %(count)s failed since %(moment)s."),
    sentence(
        "The import of the history has failed: %(why_text)s %(read)s conversations read, %(imported)s messages "
        "imported, %(beyond)s out of reach."
    ),
    sentence(
        "The import of the history was completed. %(read)s conversations read, %(imported)s messages imported, "
        "%(beyond)s out of reach."
    ),
)
