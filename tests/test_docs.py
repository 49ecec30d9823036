"""What the documents say about settings and files is true."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_setting_is_described() -> None:
    settings = (ROOT / "desk" / "settings.py").read_text()
    names = set(re.findall(r'env(?:\.\w+)?\(\s*"(\w+)"', settings))
    names |= {"DESK_BIND", "PORT", "WEB_CONCURRENCY"}
    assert len(names) > 25
    described = (ROOT / "docs" / "operations.md").read_text()
    assert not [name for name in sorted(names) if f"`{name}`" not in described]


def test_no_setting_is_described_that_does_not_exist() -> None:
    code = "".join(path.read_text() for folder in ("desk", "launcher") for path in (ROOT / folder).rglob("*.py"))
    described = set(re.findall(r"`((?:DESK|META)_[A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text()))
    assert not [name for name in sorted(described) if name not in code]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert not [target for target in targets if not (document.parent / target).exists()]


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
