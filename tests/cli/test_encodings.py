"""A console that cannot show every character: output goes on, and JSON says the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from ricorda import cli
from ricorda.cli.output import print_json, print_table
def app():
    print_table("čaj", ["a", "b"], [["😀 ž", "1"]])
    print_json({"text": "č 😀"})
    print("č", file=sys.stderr)
cli.app = app
cli.main()
"""


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin1", "utf-8"])
def test_a_narrow_encoding_ends_no_command(encoding: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, timeout=100)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode(encoding).splitlines()
    assert json.loads(lines[-1]) == {"text": "č 😀"}
    assert any("1" in line for line in lines[:-1])
    assert done.stderr
