"""The files for those who deploy (Containerfile, compose.yaml, deploy/) agree with the code."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import reverse

from channels_im import webhook
from channels_im.messenger.webhook import MAX_BODY_BYTES
from channels_im.services.icons import MAX_ICON_BYTES
from desk import body_limits
from launcher.__main__ import GOALS
from launcher.environment import NEEDED_TO_SERVE

ROOT = Path(__file__).resolve().parent.parent
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
UNITS_OF = {"k": 1024, "m": 1024**2}


def nginx() -> str:
    return re.sub(r"#.*", "", (ROOT / "deploy" / "nginx.conf").read_text())


def locations() -> dict[str, str]:
    """Return the body of each location of the server for Desk, by its pattern."""
    return dict(re.findall(r"location (?:= |~ )?(\S+) \{([^}]*)\}", nginx().split("server_name desk.example.com;")[1]))


def limit(text: str) -> int | None:
    """Return the limit of bodies in bytes that a part of the configuration sets."""
    match = re.search(r"client_max_body_size (\d+)([km]);", text)
    return int(match[1]) * UNITS_OF[match[2]] if match else None


def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


# --- nginx ------------------------------------------------------------------------------------------------------------
def test_large_bodies_are_let_through_only_where_files_are_uploaded() -> None:
    large = [pattern for pattern, body in locations().items() if (limit(body) or 0) >= 100_000_000]
    canned = "^/(admin|accounts)/canned-replies/(add|[0-9]+)/$"
    assert large == ["^/inbox/[0-9]+/reply/$", canned, reverse("api:message-list")]
    assert re.fullmatch(large[0], reverse("conversation_reply", args=[7]))
    for name in ("canned:add", "own_canned_reply_add"):
        assert re.fullmatch(canned, reverse(name))
    for name in ("canned:edit", "own_canned_reply"):
        assert re.fullmatch(canned, reverse(name, args=[7]))
    icons = reverse("setup:instant_messaging")
    assert reverse("setup:messenger_add").startswith(icons)
    assert (limit(locations()[icons]) or 0) > 10 * MAX_ICON_BYTES, "Desk itself says that an icon is too big"


def test_nginx_takes_as_much_as_desk() -> None:
    server = nginx().split("server_name desk.example.com;")[1].split("location")[0]
    assert limit(server) == body_limits.DEFAULT_BYTES
    for path in (
        reverse("conversation_reply", args=[7]),
        reverse("api:message-list"),
        reverse("api:channel-list"),
        "/admin/",
        reverse("setup:messenger_add"),
        reverse("canned:add"),
        reverse("canned:import"),
        reverse("own_canned_reply", args=[7]),
    ):
        [body] = [body for pattern, body in locations().items() if pattern == serving(path)]
        assert limit(body) == body_limits.limit_of(path), path


def serving(path: str) -> str:
    """Return the pattern of the location that nginx chooses: a regular expression first, else the longest beginning."""
    patterns = [pattern for pattern in locations() if pattern != "/"]
    matching = [pattern for pattern in patterns if pattern[0] == "^" and re.match(pattern, path)]
    return (matching or sorted((p for p in patterns if path.startswith(p)), key=len, reverse=True))[0]


def test_nginx_stores_no_body_that_desk_would_refuse_unread() -> None:
    """Where more is allowed than from strangers, Desk has to see who sends it before anything is stored."""
    larger = {pattern: body for pattern, body in locations().items() if (limit(body) or 0) > body_limits.DEFAULT_BYTES}
    assert len(larger) == 6
    assert not [pattern for pattern, body in larger.items() if "proxy_request_buffering off;" not in body]


def test_a_delivery_of_the_largest_size_passes() -> None:
    assert limit(locations()[webhook.PATH]) == MAX_BODY_BYTES


def test_the_stream_is_not_buffered_and_may_stay_open() -> None:
    stream = locations()["/live/"]
    assert "proxy_buffering off;" in stream
    assert "proxy_read_timeout 1h;" in stream


def test_no_location_loses_the_headers_of_the_server() -> None:
    """nginx drops all proxy_set_header of the server in a location that has one of its own."""
    assert not [pattern for pattern, body in locations().items() if "proxy_set_header" in body]
    assert "X-Forwarded-For $remote_addr;" in nginx()
    assert "proxy_add_x_forwarded_for" not in nginx()


# --- systemd ----------------------------------------------------------------------------------------------------------
def test_the_units_start_goals_of_the_launcher() -> None:
    goals = [goal for unit in UNITS for goal in re.findall(r"^ExecStart=.* -m launcher (\w+)$", unit.read_text(), re.M)]
    assert sorted(goals) == ["migrate", "web", "worker"]
    assert set(goals) <= GOALS.keys()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_every_unit_is_confined(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    for line in (
        "User=desk",
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "PrivateTmp=true",
    ):
        assert line in lines
    assert "EnvironmentFile=/etc/desk/desk.env" in lines


# --- containers -------------------------------------------------------------------------------------------------------
def test_only_nginx_can_be_reached_from_outside() -> None:
    published = [name for name, service in compose()["services"].items() if "ports" in service]
    assert published == ["nginx"]


def test_web_and_worker_wait_for_migrate_and_run_read_only() -> None:
    services = compose()["services"]
    for name in ("web", "worker"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    for name in ("migrate", "web", "worker"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["command"][0] in GOALS


def test_nginx_passes_requests_to_the_address_of_web() -> None:
    services = compose()["services"]
    assert services["web"]["networks"]["proxy"]["ipv4_address"] in services["nginx"]["command"][2]


def test_the_trusted_proxy_is_nginx() -> None:
    services = compose()["services"]
    trusted = services["web"]["environment"]["DESK_TRUSTED_PROXIES"]
    assert trusted == services["nginx"]["networks"]["proxy"]["ipv4_address"]


def test_no_secret_stands_in_the_file() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert not re.search(r"(?i)(password|secret)\w*: (?!\$\{)\S", text)


def test_the_image_has_every_package_of_the_product() -> None:
    ignored = {
        line.strip("/") for line in (ROOT / ".containerignore").read_text().splitlines() if line[:1] not in {"#", ""}
    }
    assert not {"desk", "channels_im", "tickets", "launcher", "templates", "static", "manage.py", "Procfile"} & ignored
    assert {"var", ".*", "*.env"} <= ignored, "data and secrets stay out"
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


def test_the_image_does_not_run_as_root() -> None:
    steps = (ROOT / "Containerfile").read_text().splitlines()
    assert [line for line in steps if line.startswith(("USER", "ENTRYPOINT", "CMD"))] == [
        "USER desk",
        'ENTRYPOINT ["python", "-m", "launcher"]',
        'CMD ["web"]',
    ]
    assert any("--require-hashes" in line for line in steps)


def test_the_example_of_the_settings_names_only_what_exists() -> None:
    names = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / "deploy" / "desk.env.example").read_text(), re.M))
    known = "".join(
        (ROOT / path).read_text() for path in ("desk/settings.py", "launcher/environment.py", "compose.yaml")
    )
    assert {"DESK_SECRET_KEY", "POSTGRES_PASSWORD"} <= names
    assert not [name for name in names if name not in known]


def test_the_example_of_settings_names_all_that_are_needed() -> None:
    lines = (ROOT / "deploy/desk.env.example").read_text().splitlines()
    assert set(NEEDED_TO_SERVE) <= {line.partition("=")[0] for line in lines if not line.startswith("#")}


# --- The walk through docs/installation.md ----------------------------------------------------------------------------
def test_the_walk_finds_every_part_that_it_follows() -> None:
    """.ci/newcomer runs where a Debian can be made; that the document still has its commands is known everywhere."""
    walk = (ROOT / ".ci" / "walk.py").read_text() + (ROOT / ".ci" / "newcomer").read_text()
    starts = set(re.findall(r"""['"](\*\*[^'"]+)['"]""", walk))
    assert len(starts) >= 10
    guide = ROOT / "docs" / "installation.md"
    for start in sorted(starts):
        command = [sys.executable, str(ROOT / ".ci" / "commands_of.py"), str(guide), start]
        assert subprocess.run(command, capture_output=True, check=True).stdout.strip(), start


def test_desk_manage_reads_the_settings_as_the_units_do(tmp_path: Path) -> None:
    """Spaces, quotes and dollar signs in a value reach Desk as they stand in the file."""
    line = """META_VERIFY_TOKEN=a "text" with $HOME and 'more' *"""
    (tmp_path / "desk.env").write_text(f"# a comment\n\n{line}\nDESK_DATA_DIR=/in/the/file")
    script = (ROOT / "deploy" / "desk-manage").read_text().replace("/etc/desk/desk.env", str(tmp_path / "desk.env"))
    script = script.replace("cd /opt/desk\n", "").replace("exec runuser -u desk -- .venv/bin/python manage.py", "env #")
    given = {"PATH": os.environ["PATH"], "DESK_DATA_DIR": "/chosen"}
    printed = subprocess.run(["sh", "-c", script], env=given, capture_output=True, text=True, check=True).stdout
    assert line in printed.splitlines()
    assert "DESK_DATA_DIR=/chosen" in printed.splitlines()
