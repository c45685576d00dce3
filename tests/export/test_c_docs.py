"""The example of the page on C runs as it stands there, in Python and in C."""

import re
import runpy
from pathlib import Path

import numpy as np
from c_programs import build, run

PAGE = Path(__file__).parents[2] / "docs" / "c.md"


def test_the_example_of_the_page_says_what_python_says(tmp_path, monkeypatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (tmp_path / "page.py").write_text("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), encoding="utf-8")
    (tmp_path / "page.c").write_text("\n".join(re.findall(r"```c\n(.*?)```", text, re.DOTALL)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path("page.py")
    said = [line.split() for line in run([build("gcc", tmp_path / "page.c", "-O1")]).splitlines()]
    assert [label for label, _ in said] == names["model"].classes_.tolist()
    np.testing.assert_allclose([float(number) for _, number in said], names["probabilities"], atol=2e-6)
    run([build("gcc", tmp_path / "film_test.c", "-O1")])
