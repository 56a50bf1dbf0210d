"""No test of data asks the network."""

from __future__ import annotations

import socket

import pytest

from robust_augcl.data import tu


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks the network fails, as something else than bad input."""

    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(tu, "download_url", fail)
    monkeypatch.setattr(socket.socket, "connect", fail)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
