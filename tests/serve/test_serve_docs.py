"""The examples of docs/serve.md run against a server, as they stand."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run(
    models: dict[str, str], serving: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tritonclient.http")
    address, _ = serving(f"reviews={models['text']}", f"load={models['walk']}")
    place = address.removeprefix("http://")
    blocks = _blocks("py")
    assert len(blocks) == 3
    for block in blocks:
        exec(compile(block.replace("127.0.0.1:8000", place), "serve.md", "exec"), {})
    said = capsys.readouterr().out
    assert '{"steps": 2}' in said
    assert re.search(r"^(good|bad) 0\.\d+$", said, re.MULTILINE)
    command = _blocks("sh")[0].replace("127.0.0.1:8000", place).replace('{"input"', '{"model": "reviews", "input"')
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout
    assert json.loads(answer)["label"] in ("good", "bad")


def test_the_page_names_every_option_and_status() -> None:
    from ricorda.serve.refused import MEANING

    for option in ("--host", "--port", "--token-file", "--workers", "--max-sessions", "--idle", "--watch"):
        assert f"`{option}`" in PAGE
    for status in MEANING:
        assert f"| {status} |" in PAGE


def test_the_image_and_the_unit_start_the_command_that_there_is() -> None:
    folder = Path(__file__).parents[2] / "docs" / "serve"
    image, unit = ((folder / name).read_text(encoding="utf-8") for name in ("Dockerfile", "ricorda-serve.service"))
    assert 'ENTRYPOINT ["ricorda", "serve"]' in image
    assert image.index("USER ricorda") < image.index("ENTRYPOINT")
    assert all(f"`{option}`" in PAGE for option in re.findall(r'"(--[a-z-]+)"', image))
    assert "DynamicUser=yes" in unit
