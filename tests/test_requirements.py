"""The lists of packages name everything that is imported, and the lock files match the lists."""

import ast
import re
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_database

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ["desk", "channels_im", "tickets", "sandbox", "launcher"]
TOOLS = ["tests", "bench", "chaos", "docs"]
PIN = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?==(?P<version>\S+)\s+#\s*\S")
LOCKED = re.compile(r"(?P<name>[\w.-]+)==(?P<version>\S+)(?P<rest>.*)")
HASHES = re.compile(r"(\\\n +--hash=sha256:[0-9a-f]{64}\s*)+")


def normal(name: str) -> str:
    """Return a package's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(text: str) -> dict[str, str]:
    """Return the version of each package of a list. Every line needs a pinned version and a reason."""
    versions = {}
    for line in text.splitlines():
        if line and not line.startswith(("#", "-r ")):
            match = PIN.match(line)
            assert match, f"no pinned version or no reason: {line}"
            versions[normal(match["name"])] = match["version"]
    return versions


def locked(text: str) -> dict[str, str]:
    """Return the version of each package of a lock file. Every package needs a hash."""
    versions = {}
    for entry in re.split(r"\n(?=\w)", re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).strip()):
        match = LOCKED.match(entry)
        assert match, f"not pinned: {entry}"
        assert HASHES.fullmatch(entry[entry.index("\\") :]), f"no hash: {entry}"
        versions[normal(match["name"])] = match["version"]
    return versions


def read(name: str) -> str:
    return (ROOT / name).read_text()


def product_list() -> dict[str, str]:
    return listed(read("requirements.txt"))


def whole_list() -> dict[str, str]:
    return product_list() | listed(read("requirements-dev.txt"))


def imported(folders: list[str]) -> set[str]:
    """Return the packages that provide what the folders import when they run."""
    providers = packages_distributions()
    ours = {path.name for path in ROOT.iterdir() if path.is_dir()}
    found = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text())
        only_for_types = {
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for inner in ast.walk(node)
        }
        for node in set(ast.walk(tree)) - only_for_types:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - ours:
                found.add(normal(providers[name][0]))
    return found


@pytest.mark.slow
def test_the_product_imports_only_packages_of_its_list() -> None:
    found = imported(PRODUCT)
    assert {"django", "requests", "pillow"} <= found
    assert found <= product_list().keys()


@pytest.mark.slow
def test_tests_and_benchmark_import_only_packages_of_the_lists() -> None:
    found = imported(TOOLS)
    assert {"pytest", "playwright"} <= found
    assert found <= whole_list().keys()


def test_no_package_stands_in_both_lists() -> None:
    assert not product_list().keys() & listed(read("requirements-dev.txt")).keys()
    assert "-r requirements.txt" in read("requirements-dev.txt").splitlines()


@pytest.mark.parametrize(
    ("lock", "wanted"), [("requirements.lock", product_list), ("requirements-dev.lock", whole_list)]
)
def test_the_lock_file_has_the_versions_of_the_list(lock: str, wanted: Callable[[], dict[str, str]]) -> None:
    assert wanted().items() <= locked(read(lock)).items(), "run: make lock"


def test_product_and_tests_are_locked_to_the_same_versions() -> None:
    product, whole = locked(read("requirements.lock")), locked(read("requirements-dev.lock"))
    assert len(product) > 30
    assert product.items() <= whole.items()


@pytest.mark.parametrize("name", ["requirements", "requirements-dev"])
def test_a_package_that_left_the_list_has_left_the_lock_file(name: str) -> None:
    entries = re.split(r"\n(?=\w)", read(f"{name}.lock"))
    direct = {normal(entry.split("==")[0]) for entry in entries if re.search(rf"# .*-r {name}\.txt$", entry, re.M)}
    assert direct == listed(read(f"{name}.txt")).keys(), "run: make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_the_lock_file_names_no_place_of_packages(lock: str) -> None:
    assert not re.search(r"://|file:|--(extra-)?index|--find-links|--trusted|\s@\s|\s/", read(lock))


@pytest.mark.parametrize(
    "text",
    [
        "django==5.2.19\n",
        "django==5.2.19 \\\n    --hash=sha256:short\n",
        "django>=5.2 \\\n    --hash=sha256:" + 64 * "0" + "\n",
        "django @ https://example.com/django.whl \\\n    --hash=sha256:" + 64 * "0" + "\n",
    ],
)
def test_an_entry_without_version_or_hash_is_found(text: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        locked(text)


def test_a_list_entry_without_version_or_reason_is_found() -> None:
    for line in ("django  # web framework", "django==5.2.19"):
        with pytest.raises(AssertionError):
            listed(line)
