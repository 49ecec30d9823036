"""The exception for requests that cannot be carried out. Pure: imports neither Django nor models."""


class Refused(Exception):
    """A request that cannot be carried out; nothing was changed.

    `sentence` is for people: what was wrong, the limit, what to do. `code` is for programs, and `field` names the form
    field at fault; both are "" where there is none. Names of subclasses end in Error.
    """

    def __init__(self, sentence: str, code: str = "", field: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.field = field
