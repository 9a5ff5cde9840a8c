"""The calls, against a real server."""

import datetime
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jupyter_durable_chat.notebook.client import ChatError, Client, ServerUnreachable
from tests.browser.jupyter import Jupyter, free_port
from tests.notebook.proxy import proxy_to


@pytest.fixture
def client(jupyter: Jupyter, token: str) -> Iterator[Client]:
    with closing(Client(f"{jupyter.url}durable-chat", token)) as client:
        yield client


def test_a_broken_answer_costs_no_second_message(jupyter: Jupyter, token: str) -> None:
    """The message arrived, its answer did not: the same message is sent again and is still one message."""
    with (
        proxy_to(jupyter.port) as proxy,
        closing(Client(f"http://127.0.0.1:{proxy.port}{jupyter.base_url}durable-chat/", token)) as client,
    ):
        session = client.create()["id"]
        proxy.swallow_answer()
        sent = client.send(session, "hello", agent="obedient")
        messages = client.transcript(session)["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[0]["id"] == sent["message_id"]


def test_what_cannot_be_repeated_is_not(jupyter: Jupyter, token: str) -> None:
    with (
        proxy_to(jupyter.port) as proxy,
        closing(Client(f"http://127.0.0.1:{proxy.port}{jupyter.base_url}durable-chat/", token)) as client,
    ):
        proxy.swallow_answer()
        with pytest.raises(ServerUnreachable, match="does not answer"):
            client.create()


def test_nobody_listens() -> None:
    client = Client(f"http://127.0.0.1:{free_port()}/durable-chat/", "t")
    with closing(client), pytest.raises(ServerUnreachable, match=r"does not answer .*ConnectError"):
        client.transcript("s_1")


def test_the_servers_words(client: Client) -> None:
    with pytest.raises(ChatError, match="no session 's_none'") as raised:
        client.transcript("s_none")
    assert (raised.value.status, raised.value.code) == (404, "unknown-session")
    assert not isinstance(raised.value, ServerUnreachable)


@pytest.mark.parametrize("path", ["lab/", "api/", "static/durable_chat/"])
def test_somebody_elses_answer(jupyter: Jupyter, token: str, path: str) -> None:
    """Not our API: the text says who answered what, and not the token."""
    with closing(Client(f"{jupyter.url}{path}", token)) as client:
        with pytest.raises(
            ServerUnreachable, match=f"HTTP .* from {jupyter.url}{path}api/sessions/s_1: no durable"
        ) as said:
            client.transcript("s_1")
        assert token not in str(said.value) and token not in repr(client)


def test_no_proxy_stands_before_this_machine(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert client.create()["status"] == "idle"


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1/durable-chat/", True),
        ("https://127.8.8.8/durable-chat/", True),
        ("https://[::1]:1/durable-chat/", True),
        ("https://localhost:1/durable-chat/", True),
        ("https://localhost.example.org/durable-chat/", False),
        ("https://127.0.0.1.example.org/durable-chat/", False),
        ("https://hub.example.org/user/a%40b/durable-chat/", False),
        ("http://10.0.0.1:8888/durable-chat/", False),
    ],
)
def test_only_this_machine_is_trusted_unseen(url: str, local: bool) -> None:
    options = Client(url, "t").options()
    assert (options["verify"], options["trust_env"]) == (not local, not local)
    assert options["base_url"] == url


def test_a_certificate_that_nobody_signed(jupyter: Jupyter, token: str, tmp_path: Path) -> None:
    with (
        proxy_to(jupyter.port, self_signed(tmp_path)) as proxy,
        closing(Client(f"https://127.0.0.1:{proxy.port}{jupyter.base_url}durable-chat/", token)) as client,
    ):
        assert client.create()["status"] == "idle"


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
