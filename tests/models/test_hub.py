"""The hub: a commit is resolved and recorded, the cache serves without it, and what is out of reach says so at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tiny_hub import COMMIT, own, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tiny_hub import Hub
NOWHERE = "http://127.0.0.1:9"
LOAD = """
import json, sys
from sparsity_report.contracts import ModelRequest
from sparsity_report.errors import EnvironmentProblem
from sparsity_report.models import loading
from sparsity_report.models.arithmetic import shape_of
for words in sys.argv[1:]:
    request = ModelRequest(**json.loads(words))
    try:
        loaded = loading.load(request)
    except EnvironmentProblem as problem:
        print(json.dumps({"message": problem.message, "remedy": problem.remedy}))
    else:
        shape = shape_of(loading.config(request))
        facts = {name: getattr(loaded, name) for name in ("kind", "source", "revision", "licence", "label")}
        print(json.dumps(facts | {"parameters": shape.parameters}))
"""


@pytest.fixture
def hub(saved: Path) -> Iterator[tuple[str, type[Hub]]]:
    """Address of a hub that holds one tiny OPT, and its handler."""
    handler = own(saved)
    with serving(handler) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}", handler


def load_all(endpoint: str, home: Path, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Load in a fresh process, because the hub's client reads its address when it is imported."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_") and "proxy" not in name}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(json.dumps, requests)],
        env=clean | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def load(endpoint: str, home: Path, **request: Any) -> dict[str, Any]:
    """One of them."""
    return load_all(endpoint, home, request)[0]


def test_a_hub_model_is_pinned_to_its_commit_and_then_served_from_the_cache(
    hub: tuple[str, type[Hub]], tmp_path: Path
) -> None:
    """Online once, then with the hub gone and offline by request: always the same commit; no pickle is fetched."""
    endpoint, handler = hub
    online = load(endpoint, tmp_path / "home", source="small/opt")
    fetched = len(handler.asked)
    gone, offline = load_all(
        NOWHERE, tmp_path / "home", {"source": "small/opt"}, {"source": "small/opt", "offline": True}
    )

    assert online["revision"] == offline["revision"] == gone["revision"] == COMMIT
    assert (online["kind"], online["licence"]) == ("hub", "mit")
    assert online["parameters"] == offline["parameters"]
    assert len(handler.asked) == fetched
    assert not any("pytorch_model.bin" in path for path in handler.asked)


def test_a_repository_of_pickles_is_refused_with_the_way_out(hub: tuple[str, type[Hub]], tmp_path: Path) -> None:
    endpoint, handler = hub
    handler.files = ("config.json", "pytorch_model.bin", "tokenizer.json")
    refused = load(endpoint, tmp_path / "home", source="small/opt")

    assert "holds no safetensors" in refused["message"]
    assert "refs/pr/" in refused["remedy"]
    assert not any("resolve" in path for path in handler.asked)


@pytest.mark.parametrize(
    ("source", "why"), [("absent/opt", "no such model there"), ("gated/opt", "accept terms")], ids=["absent", "gated"]
)
def test_what_the_hub_does_not_give_names_the_offline_twin(
    source: str, why: str, hub: tuple[str, type[Hub]], tmp_path: Path
) -> None:
    refused = load(hub[0], tmp_path / "home", source=source)

    assert why in refused["message"]
    assert "sparsity-report run quickstart" in refused["remedy"]


@pytest.mark.parametrize("offline", [False, True])
def test_a_hub_out_of_reach_says_so_within_seconds(offline: bool, tmp_path: Path) -> None:
    """Nothing hangs, and the remedy names the study that needs no network."""
    start = time.monotonic()
    refused = load(NOWHERE, tmp_path / "home", source="facebook/opt-125m", offline=offline)

    assert time.monotonic() - start < 30
    assert "offline was asked for" in refused["message"] if offline else "out of reach" in refused["message"]
    assert "sparsity-report run quickstart" in refused["remedy"]


def test_a_cache_that_cannot_be_written_is_not_mistaken_for_the_network(
    hub: tuple[str, type[Hub]], tmp_path: Path
) -> None:
    (tmp_path / "a file").touch()
    refused = load(hub[0], tmp_path / "a file", source="small/opt")

    assert "small/opt cannot be stored" in refused["message"]
    assert "HF_HOME" in refused["remedy"]
