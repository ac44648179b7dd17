"""Where compiled code is kept: in this user's home, or in a folder of its own among everybody's."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from sparsity_report.kernels.cache import own_temporary, user_cache
from sparsity_report.results.environment import anonymous

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has a temporary folder for each user")


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """A user whom the system does not know, as containers have them; the temporary folder is `tmp_path`."""
    import pwd

    def nobody(_):
        raise KeyError("no such user")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own_temporary.cache_clear()
    yield tmp_path / f"sparsity-report-{os.getuid()}"
    own_temporary.cache_clear()


def test_without_a_home_there_is_a_folder_of_this_user_alone(homeless):
    assert user_cache("kernels") == homeless / "kernels"
    assert homeless.stat().st_mode & 0o777 == 0o700
    own_temporary.cache_clear()
    assert user_cache("kernels") == homeless / "kernels"  # it is found again


def theirs(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize(
    "occupied",
    [theirs, lambda folder: folder.symlink_to(folder.parent), lambda folder: folder.write_text("", encoding="utf-8")],
    ids=["open to all", "link", "file"],
)
def test_what_others_may_have_put_there_is_not_used(homeless, occupied):
    """Compiled code is loaded from there: a folder in which others can write is no place for it."""
    occupied(homeless)

    assert not user_cache("kernels").is_relative_to(homeless)


def test_without_a_home_there_is_nothing_to_hide(homeless):
    assert anonymous("run study.toml") == "run study.toml"
