"""A model of the Hugging Face hub. Its revision is resolved to a commit; only safetensors are fetched."""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...contracts import Info
from ...errors import EnvironmentProblem
from ...network import faults, obstacle, through
from ..arithmetic import known_config
from . import directory

if TYPE_CHECKING:
    from huggingface_hub import ModelInfo

    from ...contracts import ModelRequest
    from ..loading import LoadedModel

INFO = Info(name="hub", summary='a Hugging Face hub id ("facebook/opt-125m"), its revision pinned to a commit')

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)
FETCHED = (".json", ".safetensors", ".txt", ".model")
TIMEOUT_S = 10.0
FULL = (errno.ENOSPC, errno.EDQUOT)


def matches(source: str) -> bool:
    return HUB_ID.fullmatch(source) is not None


def cached_folder(request: ModelRequest) -> Path | None:
    """The snapshot in the local cache that the revision names, or None. Its name is the commit."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(request.source, "config.json", revision=request.revision or None)
    except HFValidationError as error:
        raise misnamed(request) from error
    return Path(found).parent if isinstance(found, str) else None


def config(request: ModelRequest) -> dict[str, Any] | None:
    """From the local cache, else a well-known model's facts."""
    folder = cached_folder(request)
    return (directory.read_config(folder) if folder else None) or known_config(request.source)


def load(request: ModelRequest) -> LoadedModel:
    from ..loading import LoadedModel, quiet_transformers, read_pretrained

    with quiet_transformers():
        folder, licence = snapshot(request)
    directory.check(folder)
    model, tokenizer = read_pretrained(folder, request.dtype)
    return LoadedModel(model, tokenizer, INFO.name, request.source, revision=folder.name, licence=licence)


def snapshot(request: ModelRequest) -> tuple[Path, str]:
    """The model's folder, and its licence where the hub could be asked. Raises EnvironmentProblem."""
    why = "offline was asked for" if request.offline else obstacle()
    return (reached_cache(request, why), "") if why else fetch(request)


def fetch(request: ModelRequest) -> tuple[Path, str]:
    """The snapshot's folder, with what the cache lacked downloaded, and the licence. Raises EnvironmentProblem."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        info = HfApi().model_info(request.source, revision=request.revision or None, timeout=TIMEOUT_S)
        names = wanted_files(info)
        # Asked for by the revision's name, the first file leaves that name's commit in the cache, for offline use.
        first = hf_hub_download(request.source, names[0], revision=request.revision or None, etag_timeout=TIMEOUT_S)
        folder = Path(first).parent
        for name in names[1:]:
            hf_hub_download(request.source, name, revision=folder.name, etag_timeout=TIMEOUT_S)
    except HFValidationError as error:
        raise misnamed(request) from error
    except GatedRepoError as error:
        raise unreachable(request, "its owner asks you to accept terms first; then: hf auth login") from error
    except RepositoryNotFoundError as error:
        raise unreachable(request, "there is no such model there, or it is private") from error
    except RevisionNotFoundError as error:
        raise unreachable(request, f"it has no revision {request.revision!r}") from error
    except faults() as error:
        # An error that names a file is the disk's and not the network's.
        if getattr(error, "filename", None) or getattr(error, "errno", None) in FULL:
            raise EnvironmentProblem(
                f"{request.source} cannot be stored: {error}",
                remedy="Make room, or point HF_HOME at a folder that can be written.",
            ) from error
        return reached_cache(request, f"the hub is out of reach{through()} ({type(error).__name__})"), ""
    return folder, str(getattr(info.card_data, "license", None) or "")


def wanted_files(info: ModelInfo) -> list[str]:
    """Names of the files to fetch, config.json first. Raises EnvironmentProblem where there is nothing safe to read."""
    names = [each.rfilename for each in info.siblings or ()]
    wanted = [
        name for name in names if "/" not in name and name.endswith(FETCHED) and not name.startswith("consolidated")
    ]
    if "config.json" not in wanted:
        raise EnvironmentProblem(
            f"{info.id} has no config.json", remedy="It is not a transformers model: choose another repository."
        )
    if not any(name.endswith(".safetensors") for name in wanted):
        raise EnvironmentProblem(
            f"{info.id} holds no safetensors at {info.sha}, and other weights are never unpickled: they could run any "
            "code.",
            remedy=convert_remedy(info.id),
        )
    return sorted(wanted, key=lambda name: name != "config.json")


def convert_remedy(hub_id: str) -> str:
    """How a user who trusts a repository turns its weights into safetensors, once."""
    name = hub_id.rpartition("/")[2]
    return (
        f'Give a revision that holds safetensors ("refs/pr/N": https://huggingface.co/{hub_id}/discussions), '
        "or, if you trust the repository, convert it:\n"
        '  python -c "from transformers import AutoModelForCausalLM as M, AutoTokenizer as T; '
        f"[C.from_pretrained('{hub_id}').save_pretrained('{name}') for C in (M, T)]\"\n"
        f'  sparsity-report run SPEC --set model.0.source="$PWD/{name}"'
    )


def reached_cache(request: ModelRequest, why: str) -> Path:
    """The cached snapshot for when the hub cannot be asked; none where a download broke off before its weights."""
    folder = cached_folder(request)
    if folder is None or not any(list(folder.glob(pattern)) for pattern in ("*.safetensors", *directory.PICKLES)):
        raise unreachable(request, f"{why}, and the local cache does not hold it")
    return folder


def misnamed(request: ModelRequest) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{request.source!r} names no model: the Hugging Face hub gives out no such id.",
        remedy="An id has no '--' or '..', does not end with '-' or '.', and is short; a directory begins with ./",
    )


def unreachable(request: ModelRequest, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"the model {request.source!r} cannot be had from the Hugging Face hub: {why}.",
        remedy=f"Where there is a network: hf download {request.source}\n"
        "A local copy works as well: give its directory, beginning with ./\n"
        "The offline twin of the OPT study needs no download: sparsity-report run quickstart",
    )
