"""What most tests need: no network, and the bundled model, which is real and small."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is imported: threads of several processes would wait by spinning
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

LOCAL = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """A test that reaches for the network fails; servers on this machine are allowed."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise OSError(f"tests have no network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


@pytest.fixture(scope="session")
def tiny_opt():
    """The bundled model, loaded once."""
    from sparsity_report.contracts import ModelRequest
    from sparsity_report.models.loading import load

    return load(ModelRequest("bundled:tiny-opt"))


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew; say in the commit why")
