"""Find texts of the screens that no catalogue can contain: `python -m tests.untranslated [path …]`.

A template must say its words with {% translate %} or {% blocktranslate %}, Python with Django's gettext functions or
desk.sentences. A string that is prose and only for programmers, logs or commands is allowed where its place shows that
(see below), or with the comment `# English only: why` on its line or on the first line of its statement.
"""

import ast
import html.parser
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
APPS = ("desk", "channels_im", "tickets")
MARK = "# English only: "

#: Folders and modules without texts of screens: commands, their reports, settings, and the API, which is English.
EXEMPT = (
    "migrations/",
    "management/",
    "desk/settings.py",
    "desk/setting_values.py",
    "desk/backup/",
    "desk/formats/",
    "tickets/api/",
    "tickets/demo/",
    "tickets/services/integrity/",
)
MARKED = {
    "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy", "npgettext",
    "npgettext_lazy", "sentence", "counted",
}  # fmt: skip
LOGGING = {"debug", "info", "warning", "error", "exception", "critical", "log"}
FOR_PROGRAMMERS = {
    "ValueError", "RuntimeError", "TypeError", "ImproperlyConfigured", "AssertionError", "NotImplementedError",
    "CommandError", "KeyError", "LookupError", "RunSQL", "execute", "compile", "Counter", "Histogram", "Gauge",
    "Error", "Warning", "Critical", "cast", "TypeVar",
}  # fmt: skip
NOT_SHOWN_KEYWORDS = {"help_text", "hint", "documentation", "through", "to"}
ATTRIBUTES = {"title", "aria-label", "placeholder", "alt", "label", "aria-description", "aria-roledescription"}
_WORD = re.compile(r"[^\W\d_]{2,}")
_HEADER = re.compile(r"[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)+:?")
_SENTENCE = re.compile(r"^[A-Z][a-z]|[a-z]{2,} [a-z]{2,}")


def in_python(path: Path) -> Iterator[tuple[int, str]]:
    """Return the line and text of each string in a module that is prose and not marked for translation."""
    source = path.read_text()
    lines = source.splitlines()
    tree = ast.parse(source)
    first_line: dict[int, int] = {}
    for statement in (node for node in ast.walk(tree) if isinstance(node, ast.stmt)):
        for node in ast.walk(statement):
            if not isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.With):
                first_line[id(node)] = statement.lineno
    for node in _unmarked(tree, is_model="models" in path.parts or path.name == "models.py"):
        line = node.lineno
        text = node.value if isinstance(node, ast.Constant) else ast.unparse(node)
        allowed = {line, node.end_lineno or line, first_line.get(id(node), line)}
        if not any(MARK in lines[number - 1] for number in allowed):
            yield line, str(text)


def _unmarked(node: ast.AST, *, is_model: bool) -> Iterator[ast.Constant | ast.Call]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # a docstring
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        owner = getattr(getattr(node.func, "value", None), "id", "")
        if name in MARKED:
            if node.args and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
                yield node  # no catalogue can have it
            for keyword in node.keywords:
                yield from _unmarked(keyword, is_model=is_model)
            return
        if name in FOR_PROGRAMMERS or (name in LOGGING and owner in ("logger", "log", "_logger", "logging")):
            return
    if is_model and isinstance(node, ast.keyword) and node.arg in NOT_SHOWN_KEYWORDS:
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_prose(node.value):
        yield node
        return
    if is_model and isinstance(node, ast.FunctionDef) and node.name == "__str__":
        return  # for the log and the shell
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
        return
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params", "slice"):
            continue  # names of types, keys
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _unmarked(child, is_model=is_model)


def _is_prose(text: str) -> bool:
    if text.startswith("<") and text.endswith(">"):
        return False  # HTML, made by format_html
    return bool(_WORD.search(text) and _SENTENCE.search(text.strip()) and not _HEADER.fullmatch(text))


def in_template(path: Path) -> Iterator[tuple[int, str]]:
    """Return the line and text of each word in a template that stands outside the tags for translation."""
    source = path.read_text()
    # A tag becomes nothing, but keeps its line breaks; the text inside blocktranslate goes with its tags.
    for pattern in (
        r"\{#.*?#\}",
        r"\{%\s*comment\b.*?endcomment\s*%\}",
        r"\{%-?\s*blocktrans(?:late)?\b.*?endblocktrans(?:late)?\s*%\}",
        r"\{%\s*block (?:\w+_attributes|\w+_class|bodyclass|coltype)\s*%\}.*?\{%\s*endblock[^%]*%\}",
        r"\{%.*?%\}",
        r"\{\{.*?\}\}",
    ):
        source = re.sub(pattern, lambda match: "\n" * match[0].count("\n"), source, flags=re.DOTALL)
    parser = _Words(is_html=path.suffix == ".html")
    parser.feed(source)
    parser.close()
    yield from parser.found
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        for text in re.findall(r"""\|(?:default|add|yesno|pluralize|default_if_none):["']([^"']*)["']""", line):
            if _WORD.search(text) and text != "submit" and not re.search(r"_\(\s*[\"']" + re.escape(text), line):
                yield number, text


class _Words(html.parser.HTMLParser):
    def __init__(self, *, is_html: bool) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipped += tag in ("script", "style", "code")
        for name, value in attrs:
            is_words = name in ATTRIBUTES or (name.startswith("data-") and re.search(r"[A-Za-z]+ [a-z]+", value or ""))
            if value and is_words and _WORD.search(value):
                self.found.append((self.getpos()[0], f"{name}={value}"))

    def handle_endtag(self, tag: str) -> None:
        self._skipped -= tag in ("script", "style", "code")

    def handle_data(self, data: str) -> None:
        if not self._skipped and _WORD.search(data) and data.strip(" ·\n") not in NAMES:
            self.found.append((self.getpos()[0], " ".join(data.split())))


#: Names are the same in every language.
NAMES = {"Desk", "Facebook", "Messenger", "Meta", "API", "CSV", "JSON", "URL", "KB", "MB", "GB", "Ctrl", "Esc", "Enter"}


def files(paths: Iterable[Path] = ()) -> list[Path]:
    """Return the templates and modules that have texts of screens, of all or of the given files and folders."""
    python = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]
    templates = [path for path in sorted((ROOT / "templates").rglob("*")) if path.suffix in (".html", ".txt")]
    chosen = [path.resolve() for path in paths]
    return [
        path
        for path in (*python, *templates)
        if not any(part in path.relative_to(ROOT).as_posix() for part in EXEMPT)
        and (not chosen or any(path == one or one in path.parents for one in chosen))
    ]


def found(paths: Iterable[Path] = ()) -> list[str]:
    """Return `file:line: text` for each text that is left out."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in files(paths)
        for line, text in (in_python(path) if path.suffix == ".py" else in_template(path))
    ]


if __name__ == "__main__":
    lines = found(map(Path, sys.argv[1:]))
    sys.stdout.write("\n".join([*lines, f"{len(lines)} texts are left out.\n"]))
