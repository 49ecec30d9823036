"""The documents name the settings and files that exist."""

import re
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parent.parent
GUIDES = sorted((ROOT / "docs").glob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *GUIDES]


def test_every_setting_is_described() -> None:
    settings = (ROOT / "desk" / "settings.py").read_text()
    names = set(re.findall(r'setting_values\.\w+\(\s*"(\w+)"', settings))
    names |= {"DESK_BIND", "PORT", "WEB_CONCURRENCY"}
    assert len(names) > 25
    described = (ROOT / "docs" / "operations.md").read_text()
    assert not [name for name in sorted(names) if f"`{name}`" not in described]


def test_no_setting_is_described_that_does_not_exist() -> None:
    code = "".join(path.read_text() for folder in ("desk", "launcher") for path in (ROOT / folder).rglob("*.py"))
    described = set(re.findall(r"`((?:DESK|META)_[A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert not [name for name in sorted(described) if name not in code]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_exist(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert not [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_sections_exist(document: Path) -> None:
    for name, section in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", document.read_text()):
        text = (document.parent / name if name else document).read_text()
        headings = re.findall(r"^#+ (.+)$", text, re.M)
        anchors = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
        assert section in anchors, f"{name}#{section}"


def test_examples_in_yaml_can_be_read() -> None:
    examples = [
        (document.name, example)
        for document in DOCUMENTS
        for example in re.findall(r"^```yaml\n(.*?)^```", document.read_text(), re.M | re.S)
    ]
    assert examples
    for name, example in examples:
        assert isinstance(yaml.safe_load(example), dict), name


def test_the_files_that_contributing_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:desk|channels_im|tickets|sandbox|launcher|templates|static|tests|docs)/[\w./-]*)", text)
    assert len(named) > 50
    assert not [name for name in named if not (ROOT / name).exists()]
    for folder, names in re.findall(r"`(tickets/services/\w+/)` \(([^)]+)\)", text):
        assert not [name for name in re.findall(r"`(\w+\.py)`", names) if not (ROOT / folder / name).exists()]


def test_the_readme_links_every_document() -> None:
    linked = set(re.findall(r"\]\(([\w/.-]+\.md)\)", (ROOT / "README.md").read_text()))
    assert {str(path.relative_to(ROOT)) for path in DOCUMENTS} - {"README.md"} <= linked


def test_pre_commit_runs_make_lint_and_downloads_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    [repository] = config["repos"]
    [hook] = repository["hooks"]
    assert repository["repo"] == "local"
    assert hook["language"] == "system"
    assert hook["entry"].split() == ["make", "--no-print-directory", "lint"]
    assert hook["always_run"]
    assert not hook["pass_filenames"]


def test_the_pictures_of_the_readme_are_there_and_small() -> None:
    text = (ROOT / "README.md").read_text()
    pictures = set(re.findall(r"docs/pictures/\w+\.png", text))
    assert len(pictures) == 4
    assert not [name for name in pictures if not 0 < (ROOT / name).stat().st_size < 150 * 1024]


def test_the_files_that_the_architecture_names_are_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:desk|channels_im|tickets|static|tests|launcher|bench)/[\w/]+\.\w+)", text)
    assert len(named) > 20
    assert not [name for name in named if not (ROOT / name).exists()]
    modules = {path.name for path in ROOT.rglob("*.py") if ".venv" not in path.parts}
    shorter = re.findall(r"`(?:\w+/)?(\w+\.py)\b", text)
    assert not [name for name in shorter if name not in modules]


def architecture() -> str:
    return (ROOT / "docs" / "architecture.md").read_text()


def test_the_tree_of_the_architecture_shows_every_room() -> None:
    tree = architecture().split("```")[1]
    for base in ("channels_im/services", "tickets/services", "tickets", "channels_im", "desk"):
        rooms = {path.name for path in (ROOT / base).iterdir() if (path / "__init__.py").exists()}
        assert not [
            room
            for room in sorted(rooms - {"migrations", "management", "formats", "templatetags"})
            if f"{room}/" not in tree
        ]


def test_the_architecture_lists_every_registry() -> None:
    table = architecture().split("## Registries")[1].split("##")[0]
    for app in ("desk", "channels_im", "tickets"):
        for path in (ROOT / app).rglob("*.py"):
            for name in re.findall(r"^def (register(?:_\w+)?)\((?!\))", path.read_text(), re.MULTILINE):
                if name == "register" and "def register() ->" in path.read_text() and "checks" not in path.name:
                    continue  # a module that registers its own things with others
                file = str(path.relative_to(ROOT))
                assert any(f"`{name}`" in line and file in line for line in table.splitlines()), f"{name} in {file}"
