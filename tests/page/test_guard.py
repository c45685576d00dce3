"""Who may ask the page: hosts, origins, tokens, sizes; and whose folder is whose."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ricorda.page.guard import BROWSER, LARGEST, TOKEN, Guard, Scope

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def asked(
    guard: dict[str, Any], method: str = "GET", query: str = "", kind: str = "http", **headers: str
) -> tuple[int, dict[str, list[str]], Scope | None]:
    """Status, headers and the scope that the application saw, if it was reached; 101 of a websocket that opens."""
    seen: list[Scope] = []
    sent: list[Any] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        seen.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        sent.append(message)

    headers = {"host": "127.0.0.1:8642", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": kind,
        "method": method,
        "path": "/cell",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(app, **guard)(scope, None, send))  # type: ignore[arg-type]
    answer: dict[str, list[str]] = {}
    for name, value in sent[0].get("headers", []):
        answer.setdefault(name.decode(), []).append(value.decode())
    statuses = {"websocket.accept": 101, "websocket.close": 403}
    return sent[0].get("status", statuses.get(sent[0]["type"])), answer, seen[0] if seen else None


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8642", 200),
        ("localhost:8642", 200),
        ("[::1]:8642", 200),
        ("LocalHost", 200),
        ("evil.example:8642", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused_on_the_loopback(host: str, status: int) -> None:
    assert asked({"names": LOOPBACK, "token": None}, host=host)[0] == status


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8642.evil.example"])
@pytest.mark.parametrize(("kind", "method"), [("websocket", "GET"), ("http", "POST")])
def test_pages_of_other_sites_change_nothing_and_open_no_websocket(kind: str, method: str, origin: str) -> None:
    guard = {"names": LOOPBACK, "token": None}
    assert asked(guard, method, kind=kind, origin=origin, content_length="0")[0] == 403
    own = asked(guard, method, kind=kind, origin="http://127.0.0.1:8642", content_length="0")
    assert own[0] in (101, 200)
    assert own[2] is not None


def test_elsewhere_a_browser_brings_the_token_once_and_keeps_it() -> None:
    guard = {"names": None, "token": "secret"}
    lan = {"host": "10.0.0.7:8642"}
    assert asked(guard, **lan)[::2] == (403, None)
    assert asked(guard, query="token=wrong", **lan)[::2] == (403, None)
    assert asked(guard, kind="websocket", **lan)[::2] == (403, None)
    status, headers, reached = asked(guard, query="token=secret&cell=l%26m", **lan)
    assert (status, reached) == (303, None)
    assert headers["location"] == ["/cell?cell=l%26m"]
    cookie = headers["set-cookie"][0].split(";")[0]
    assert cookie == f"{TOKEN}=secret"
    assert asked(guard, cookie=cookie, **lan)[0] == 200
    assert asked(guard, cookie=f"{TOKEN}=sécret", **lan)[0] == 403


def test_a_browser_gets_a_random_name_and_only_such_a_name_is_taken() -> None:
    guard = {"names": LOOPBACK, "token": None}
    names = []
    for given in ("", f"{BROWSER}=../../etc", f"{BROWSER}=ABC"):
        _, headers, scope = asked(guard, **({"cookie": given} if given else {}))
        assert scope is not None
        names.append(scope["ricorda.browser"])
        assert headers["set-cookie"][0].startswith(f"{BROWSER}={names[-1]};")
        assert {"HttpOnly", "SameSite=Lax"} <= set(headers["set-cookie"][0].split("; "))
    assert len(set(names)) == 3
    _, headers, scope = asked(guard, cookie=f"{BROWSER}={names[0]}")
    assert scope is not None
    assert scope["ricorda.browser"] == names[0]
    assert "set-cookie" not in headers


def test_a_request_says_how_large_it_is_and_is_not_too_large() -> None:
    guard = {"names": LOOPBACK, "token": None}
    assert asked(guard, "POST")[0] == 411
    assert asked(guard, "POST", content_length="many")[0] == 411
    assert asked(guard, "POST", content_length=str(LARGEST + 1))[0] == 413
    assert asked(guard, "POST", content_length=str(LARGEST))[0] == 200


def test_the_running_page_is_guarded(server: Any) -> None:
    httpx = pytest.importorskip("httpx")
    assert httpx.get(f"{server.address}/cell", headers={"host": "evil.example"}).status_code == 403
    polling = f"{server.address}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    assert httpx.get(polling).status_code == 200
    assert httpx.post(polling, headers={"origin": "http://evil.example"}).status_code == 403


def test_each_browser_has_a_folder_that_no_request_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RICORDA_CACHE", str(tmp_path))
    pytest.importorskip("nicegui")
    from ricorda.page.settings import Settings, folder_of

    settings = Settings({}, "127.0.0.1")
    first, second = (folder_of(settings, name * 32) for name in "ab")
    assert first != second
    assert first.parent == second.parent == tmp_path / "page"
    assert "a" * 32 not in str(first)  # Who lists the folders cannot take a browser's name.
    assert first.stat().st_mode & 0o077 == 0
