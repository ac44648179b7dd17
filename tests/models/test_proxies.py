"""Behind a proxy, good or bad, and on a bad line: models and texts come through, or what is said names the cause."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
from tiny_hub import COMMIT, Hub, own, serving

from sparsity_report.network import without_secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEAD = "http://somebody:s:ecr:et@127.0.0.1:9"
FETCH = """
import json
from sparsity_report.contracts import ModelRequest
from sparsity_report.corpora import _hub
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.models.sources import hub
hub.TIMEOUT_S = _hub.TIMEOUT_S = 1.0
def answer(what):
    try:
        return what()
    except EnvironmentProblem as problem:
        return problem.message
print(json.dumps([
    answer(lambda: hub.snapshot(ModelRequest("small/opt"))[0].name),
    answer(lambda: _hub.fetch("text", "small/opt", "config.json", hub_commit, offline=False).commit) if TEXT else "",
]))
""".replace("hub_commit", repr(COMMIT))


def fetched(home: Path, *, text: bool = False, **variables: str) -> list[str]:
    """The commit of the model that a fresh process fetches, or what it says; and so for a text, where it is wanted."""
    return told(FETCH.replace("TEXT", str(text)), HF_HOME=str(home), HF_HUB_DISABLE_TELEMETRY="1", **variables)


def told(code: str, **variables: str) -> Any:
    """What a fresh process prints as JSON: the hub's client reads its settings when it is imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    clean = {name: value for name, value in clean.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=clean | variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def hub(saved: Path) -> type[Hub]:
    return own(saved)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


class Forwarding(Hub):
    """A proxy for http://hub.invalid: it is asked with whole addresses, and keeps them."""

    through: list[str]

    def do_GET(self) -> None:
        self.through.append(self.path)
        self.path = self.path.removeprefix("http://hub.invalid")
        super().do_GET()


def test_models_and_texts_come_through_the_proxy(hub: type[Hub], home: Path) -> None:
    """The hub's name resolves nowhere: only a proxy can reach it."""
    proxy = type("Proxy", (Forwarding, hub), {"through": []})
    with serving(proxy) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        found = fetched(home, text=True, HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=address)

    assert found == [COMMIT, COMMIT]
    assert len(proxy.through) > 3
    assert all(each.startswith("http://hub.invalid/") for each in proxy.through)


class Tunnelling(BaseHTTPRequestHandler):
    """A proxy that opens tunnels, all of them to one server, and keeps where they were to lead."""

    leads_to: tuple[str, int]
    through: list[str]

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        self.through.append(self.path)
        with socket.create_connection(self.leads_to) as other:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pump, args=(other, self.connection))
            back.start()
            pump(self.connection, other)
            back.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Everything that comes, until one side ends."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def certificate(tmp_path: Path) -> Iterator[Path]:
    """Of https://hub.invalid, with its key in the same file."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("no openssl on this machine")
    file = tmp_path / "hub.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=hub.invalid -addext subjectAltName=DNS:hub.invalid"
    subprocess.run([openssl, *words.split(), "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    file.write_text(file.read_text("ascii") + (tmp_path / "hub.pem.crt").read_text("ascii"), "ascii")
    return file


def test_https_goes_through_a_tunnel(hub: type[Hub], home: Path, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving(hub) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        proxy = type("Proxy", (Tunnelling,), {"leads_to": server.server_address, "through": []})
        with serving(proxy) as tunnels:
            address = f"http://127.0.0.1:{tunnels.server_address[1]}"
            trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), f"{certificate}.crt")
            found = fetched(home, HF_ENDPOINT="https://hub.invalid", HTTPS_PROXY=address, **trusted)

    assert found[0] == COMMIT
    assert set(proxy.through) == {"hub.invalid:443"}


def test_a_dead_proxy_is_named_without_its_password(home: Path) -> None:
    for said in fetched(home, text=True, HF_ENDPOINT="https://hub.invalid", https_proxy=DEAD):
        assert "hub is out of reach through the proxy http://127.0.0.1:9 (" in said
        assert "ecr" not in said


class Refusing(BaseHTTPRequestHandler):
    """A proxy that wants another password."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.send_error(407)

    do_HEAD = do_CONNECT = do_GET


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_is_named(scheme: str, home: Path) -> None:
    with serving(Refusing) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        found = fetched(home, HF_ENDPOINT=f"{scheme}://hub.invalid", ALL_PROXY=address)

    assert f"out of reach through the proxy {address} (" in found[0]


def test_a_proxy_that_never_answers_is_given_up(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        answers = fetched(home, text=True, HF_ENDPOINT="http://hub.invalid", HTTP_PROXY=address)

    for said in answers:
        assert f"through the proxy {address} (" in said
        assert "Timeout" in said


def test_where_no_proxy_is_wanted_none_is_asked(hub: type[Hub], home: Path) -> None:
    with serving(hub) as server:
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        found = fetched(home, HF_ENDPOINT=endpoint, HTTP_PROXY=DEAD, NO_PROXY="127.0.0.1,localhost")

    assert found[0] == COMMIT


@pytest.mark.parametrize("proxy", ["ftp://a:secret@127.0.0.1:9", "http://a:secret@[::1", "http://a:secret@host:x"])
def test_a_proxy_that_is_none_is_said_and_the_cache_still_serves(proxy: str, hub: type[Hub], home: Path) -> None:
    variables = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "ALL_PROXY": proxy}
    model, text = fetched(home, text=True, HF_ENDPOINT="https://hub.invalid", **variables)

    for said in (model, text):
        assert "HTTPS_PROXY" in said
        assert "secret" not in said
    with serving(hub) as server:
        fetched(home, HF_ENDPOINT=f"http://127.0.0.1:{server.server_address[1]}", NO_PROXY="*")
    assert fetched(home, HF_ENDPOINT="https://hub.invalid", **variables)[0] == COMMIT


class Mumbling(BaseHTTPRequestHandler):
    """A proxy that answers no HTTP."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"good day\r\n\r\n")


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://a:secret@host:x", "ftp://host", "mumbling"])
def test_doctor_says_which_proxy_is_in_the_way(proxy: str) -> None:
    """A note, whatever stands there: the quickstart needs no network."""
    code = "import json; from sparsity_report.cli import doctor; print(json.dumps([*vars(doctor.hub()).values()]))"
    with serving(Mumbling) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}" if proxy == "mumbling" else proxy
        _, state, detail, remedy = told(code, HTTPS_PROXY=address)

    assert (state, remedy) == ("note", "what needs no network: sparsity-report run quickstart")
    assert "HTTPS_PROXY" in detail or f"out of reach through the proxy {address} (" in detail
    assert "secret" not in detail


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("http://host:8080", "http://host:8080"),
        ("http://user:pass@host:8080", "http://host:8080"),
        ("https://user:p@ss/w://rd@host", "https://host"),
        ("user:pass@host:8080", "host:8080"),
    ],
)
def test_secrets_are_left_out(proxy: str, expected: str) -> None:
    assert without_secret(proxy) == expected


@pytest.mark.slow  # the client tries five times
def test_a_download_that_breaks_off_is_not_taken_for_a_model(hub: type[Hub], home: Path) -> None:
    """The config came, the weights did not: that is the network's fault, and the next time they are fetched."""
    with serving(hub) as server:
        endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        hub.broken_off = "model.safetensors"
        (said, _) = fetched(home, HF_ENDPOINT=endpoint)
        hub.broken_off = ""
        again, _ = fetched(home, HF_ENDPOINT=endpoint)

    assert "the hub is out of reach" in said
    assert again == COMMIT


@pytest.mark.slow  # the client tries five times
def test_a_text_that_breaks_off_is_out_of_reach(hub: type[Hub], home: Path) -> None:
    hub.broken_off = "config.json"
    with serving(hub) as server:
        (_, said) = fetched(home, text=True, HF_ENDPOINT=f"http://127.0.0.1:{server.server_address[1]}")

    assert "the Hugging Face hub is out of reach" in said
