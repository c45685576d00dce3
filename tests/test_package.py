"""What a package index shows of ricorda, and the lowest versions that it may be installed with."""

import re
import tomllib
from pathlib import Path

import pytest
from lowest import lowest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
SETTINGS = tomllib.loads(TEXT)
LINK = r"\]\(([^)]+)\)"


def shown() -> str:
    """The README as the package has it."""
    hook = SETTINGS["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = "".join((ROOT / fragment["path"]).read_text(encoding="utf-8") for fragment in hook["fragments"])
    for substitution in hook["substitutions"]:
        text = re.sub(substitution["pattern"], substitution["replacement"], text)
    return text


def test_links_and_pictures_lead_from_a_package_index_to_the_same_files() -> None:
    source = SETTINGS["project"]["urls"]["Source"]
    files = source.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
    before = re.findall(LINK, (ROOT / "README.md").read_text(encoding="utf-8"))
    after = re.findall(LINK, shown())
    assert len(before) == len(after) > 20
    for here, there in zip(before, after, strict=True):
        base = files if here.endswith(".png") else f"{source}/blob/main/"
        assert there == (here if here.startswith("https:") else base + here)


def test_the_package_names_its_authors_its_places_and_its_pythons() -> None:
    project = SETTINGS["project"]
    assert project["authors"] == [{"name": "The ricorda authors"}]
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} <= set(project["urls"])
    for version in ("3.11", "3.12", "3.13", "3.14"):
        assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_the_readme_says_how_torch_comes_without_what_a_gpu_needs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "pip install torch --index-url https://download.pytorch.org/whl/cpu\npip install ricorda\n" in text


def test_lowest_versions_are_those_of_pyproject() -> None:
    bounds = lowest([], TEXT)
    assert len(bounds) == len(SETTINGS["project"]["dependencies"])
    assert f"torch>={bounds['torch']}" in SETTINGS["project"]["dependencies"]
    every = lowest(["onnx", "dev"], TEXT)
    assert bounds.items() <= every.items()
    assert f"nicegui>={every['nicegui']}" in SETTINGS["project"]["optional-dependencies"]["page"]  # `dev` includes it.
    both = [one for name in ("onnx", "dev") for one in SETTINGS["project"]["optional-dependencies"][name]]
    assert [one for one in both if one.startswith("onnx>=")] == ["onnx>=1.17", f"onnx>={every['onnx']}"]


def test_a_requirement_without_a_plain_bound_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"'torch~=2\.8': write it as `name>=version`"):
        lowest([], '[project]\nname = "a"\ndependencies = ["torch~=2.8"]\noptional-dependencies = {}')
