"""schemathesis asks the server what its description allows, and what it does not, and finds no fault."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from servers import in_process

from ricorda.serve.app import application
from ricorda.serve.settings import Settings

schemathesis = pytest.importorskip("schemathesis")

LEFT_OUT = [schemathesis.checks.positive_data_acceptance]
"""A body that is well put together may still be refused: what a model reads it alone knows."""


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_the_server_does_what_its_description_says(models: dict[str, str], mode: Any) -> None:
    few = {name: models[name] for name in ("text", "walk", "translate")}
    described = schemathesis.openapi.from_asgi("/openapi.json", application(Settings(few)), headers=HOST)
    asked = 0
    for found in described.get_all_operations():
        operation = found.ok()
        if mode is schemathesis.GenerationMode.NEGATIVE and operation.method == "get":
            continue  # Nothing can be wrong with a request that has nothing.

        @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(excluded_checks=LEFT_OUT, headers=HOST)

        ask()
    assert asked > 20


HOST = {"host": "127.0.0.1"}


def test_the_description_says_what_refused_requests_get(models: dict[str, str]) -> None:
    with in_process(Settings({"text": models["text"]})) as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert {"400", "401", "404", "413", "422", "429", "503"} <= set(paths["/predict"]["post"]["responses"])
