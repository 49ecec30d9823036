"""One sandbox process and one receiver for all tests of a worker, reset before each test."""

from collections.abc import Iterator

import pytest

from tests.sandbox.process import BERG_BIKES, SandboxProcess
from tests.sandbox.receiver import Receiver


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.fixture(scope="session")
def _process(_receiver: Receiver) -> Iterator[SandboxProcess]:
    process = SandboxProcess(env=addresses(_receiver))
    process.start()
    yield process
    errors = process.stop()
    assert not errors, f"the sandbox complained: {errors}"


def addresses(receiver: Receiver) -> dict[str, str]:
    """Return the environment that points a sandbox at the receiver."""
    return {
        "SANDBOX_WEBHOOK_URL": f"{receiver.url}/webhooks/messenger/",
        "SANDBOX_DEAUTHORIZE_URL": f"{receiver.url}/meta/deauthorize/",
        "SANDBOX_DATA_DELETION_URL": f"{receiver.url}/meta/data-deletion/",
    }


@pytest.fixture
def receiver(_receiver: Receiver) -> Receiver:
    """The web server that receives the webhooks, with an empty log."""
    _receiver.forget()
    return _receiver


@pytest.fixture
def sandbox(_process: SandboxProcess, receiver: Receiver) -> SandboxProcess:
    """The sandbox as after its first start, without the demo history, with retries after milliseconds."""
    _process.reset(
        webhook_immediate_delay_s=0.02,
        webhook_backoff_base_s=0.05,
        webhook_backoff_max_s=0.2,
        delivery_delay_ms=10,
        read_delay_ms=20,
    )
    receiver.forget()
    return _process


@pytest.fixture
def token(sandbox: SandboxProcess) -> str:
    """The token of Berg Bikes, from Anna's grant of this Page alone; the app is subscribed to all fields."""
    granted = sandbox.grant("anna", [BERG_BIKES])
    sandbox.subscribe(BERG_BIKES)
    return granted["pages"][0]["access_token"]


@pytest.fixture
def psid(sandbox: SandboxProcess, token: str, receiver: Receiver) -> str:
    """Lena's PSID on Berg Bikes, after she wrote once."""
    written = sandbox.customer_writes("lena", BERG_BIKES, "Hi!")
    receiver.wait_items("message")
    receiver.forget()
    return written["psid"]
