"""The one exception for "this cannot be done, and here is why". Pure: it knows neither Django nor models."""


class Refused(Exception):
    """Something that was asked for is not possible, and nothing was changed.

    `sentence` is for people: what was wrong, the limit, what to do. `code` is for programs, and `field` names the form
    field at fault; both are "" where there is none. Subclasses end in Error and say of what they are.
    """

    def __init__(self, sentence: str, code: str = "", field: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.field = field
