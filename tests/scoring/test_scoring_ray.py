"""Scoring on a Ray cluster of two nodes on this machine."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars
import pytest
from small_models import LABELS, TEXTS, small

pytest.importorskip("ray.data")


@dataclass
class Nodes:
    """A cluster's address, and the process that holds it."""

    address: str
    process: subprocess.Popen[str]

    def add(self, folder: Path) -> None:
        """Add a node whose Python looks into a folder first."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(folder, file=self.process.stdin, flush=True)
        assert any(line == "added\n" for line in self.process.stdout)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head and a second node on the loopback, started in a process of their own."""
    code = (
        "import sys, ray\nfrom ray.cluster_utils import Cluster\n"
        "c = Cluster(initialize_head=True, head_node_args={'num_cpus': 2, "
        "'include_dashboard': False, 'object_store_memory': 10**8})\n"
        "c.add_node(num_cpus=2, object_store_memory=10**8)\n"
        "print(c.address, flush=True)\n"
        "for folder in sys.stdin:\n"
        "    c.add_node(num_cpus=1, object_store_memory=10**8, env_vars={'PYTHONPATH': folder.strip()})\n"
        "    print('added', flush=True)\n"
        "c.shutdown()\n"
    )
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        address = next((line.strip() for line in process.stdout if re.fullmatch(r"[\d.]+:\d+\n", line)), "")
        if not address:
            pytest.skip("Ray does not start here")
        yield Nodes(address, process)
        process.communicate(timeout=300)


@pytest.fixture
def cluster(nodes: Nodes) -> str:
    """The address of the nodes."""
    return nodes.address


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ricorda", "predict", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **environment},
    )


def test_a_cluster_makes_the_bytes_that_are_made_here(cluster: str, tmp_path: Path) -> None:
    small().fit(TEXTS, LABELS).save(tmp_path / "model")
    table = polars.DataFrame({"id": list(range(30)), "text": TEXTS})
    table.write_parquet(tmp_path / "a.parquet", row_group_size=7)
    table[:20].write_parquet(tmp_path / "a2.parquet")
    files = ("--data", "a.parquet", "--data", "a2.parquet", "--part-rows", "8", "--format", "csv")
    here = run(tmp_path, "model", *files, "--out", "here/")
    assert (here.returncode, here.stderr) == (0, "")
    (tmp_path / "there").mkdir()
    for name in ("manifest.json", "part-00000-00001.csv", "part-00000-00001.csv.done.json"):
        (tmp_path / "there" / name).write_bytes((tmp_path / "here" / name).read_bytes())  # A run here had begun.
    there = run(tmp_path, "model", *files, "--out", "there/", "--ray", cluster)
    assert there.returncode == 0, there.stderr
    contents = [{file.name: file.read_bytes() for file in sorted((tmp_path / name).iterdir())}
                for name in ("here", "there")]  # fmt: skip
    assert contents[0] == contents[1]
    assert len(contents[0]) == 1 + 2 * (4 + 3)


def test_a_mistake_on_a_node_is_one_sentence(cluster: str, tmp_path: Path) -> None:
    small().fit(TEXTS, LABELS).save(tmp_path / "model")
    (tmp_path / "data.csv").write_text("text,prediction\na film,1\n", encoding="utf-8")
    done = run(tmp_path, "model", "--file", "data.csv", "--out", "there/", "--ray", cluster)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'prediction' already" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1


def test_a_node_of_another_version_is_refused(cluster: str, tmp_path: Path) -> None:
    small().fit(TEXTS, LABELS).save(tmp_path / "model")
    (tmp_path / "data.csv").write_text("text\na film\n", encoding="utf-8")
    code = (
        "import sys; from ricorda.scoring import on_ray; on_ray.__version__ = '99.0'\n"
        f"sys.argv = ['ricorda', 'predict', 'model', '--file', 'data.csv', '--out', 'there/', '--ray', '{cluster}']\n"
        "from ricorda.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "and 99.0 is needed: install it there" in done.stderr


def test_csv_becomes_parquet_and_a_node_without_ricorda_is_refused(nodes: Nodes, tmp_path: Path) -> None:
    small().fit(TEXTS, LABELS).save(tmp_path / "model")
    (tmp_path / "data.csv").write_text("id,text\n1,a film\n2,I slept\n", encoding="utf-8")
    arguments = ("model", "--file", "data.csv", "--format", "parquet", "--out")
    assert run(tmp_path, *arguments, "here/").returncode == 0
    there = run(tmp_path, *arguments, "there/", "--ray", nodes.address)
    assert there.returncode == 0, there.stderr
    name = "part-00000-00000.parquet"
    assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    (tmp_path / "bare" / "ricorda").mkdir(parents=True)
    (tmp_path / "bare" / "ricorda" / "__init__.py").write_text(
        "raise ImportError('as if it were not installed')\n", encoding="utf-8"
    )
    nodes.add(tmp_path / "bare")
    refused = run(tmp_path, *arguments, "nowhere/", "--ray", nodes.address)
    assert refused.returncode == 2
    assert re.search(r"^error: the node \S+ lacks ricorda, and \S+ is needed: install it there\n", refused.stderr, re.M)
