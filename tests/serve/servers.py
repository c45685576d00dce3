"""A server in the test's own process."""

from typing import Any

from starlette.testclient import TestClient

from ricorda.serve.app import application


def in_process(settings: Any) -> TestClient:
    """A server; streams have no other address than what the header says."""
    return TestClient(application(settings), base_url="http://127.0.0.1", headers={"host": "127.0.0.1"})
