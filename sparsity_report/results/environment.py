"""The machine and its software as `results.json` keeps them. No torch, no host name, no user name."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path, PurePath
from typing import Literal

from .. import __version__
from ..paths import readable
from ..resources import PACKAGE
from .model import EnvironmentRecord, ToolRecord

PACKAGES = ("torch", "transformers", "safetensors", "tokenizers", "numpy", "numba", "scipy", "gguf", "accelerate")
REPORT_PACKAGES = ("pydantic", "jinja2", "matplotlib", "weasyprint")
VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "OMP_PROC_BIND",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "GOMP_SPINCOUNT",
    "CUDA_VISIBLE_DEVICES",
    "HF_HUB_OFFLINE",
)
"""Variables that change how fast the same code runs, or where its data comes from."""

TIMED_PACKAGES = ("torch", "transformers", "numpy", "numba")
UNTIMED_VARIABLES = ("HF_HUB_OFFLINE",)
"""The one that changes no timing."""


def first_line(path: str, prefix: str = "") -> str:
    """What follows `prefix` in the first line that begins with it; empty where the system has no such file."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.removeprefix(prefix).lstrip(" \t:").strip() for line in lines if line.startswith(prefix)), "")


def memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return None


def cores() -> int | None:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions, without importing anything; what is not installed is left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def anonymous(text: str) -> str:
    """
    The text with "~" for the home folder, whose name is usually the user's; also for what a link there leads to.

    It can be written, whatever paths are in it.
    """
    text = readable(text)
    try:
        homes = {Path.home(), Path.home().resolve()}
    except RuntimeError:  # a container's user has none
        return text
    for home in homes:
        for spelt in spellings(home) if home != Path(home.anchor) else ():
            text = re.sub(rf"{re.escape(spelt)}(?![\w-])", "~", text)
    return text


def spellings(path: PurePath) -> tuple[str, ...]:
    """How a path may stand in a message: Windows' separators are doubled where Python quotes it."""
    return str(path), str(path).replace("\\", "\\\\"), path.as_posix()


def fingerprint(record: EnvironmentRecord) -> str:
    """
    Hash of what timings depend on: processor, cores, device, threads, waiting policy, governor, thread variables, and
    the packages that compute. The load is not in it: it changes by the second, and pairs are interleaved against it.
    """
    variables = {key: value for key, value in record.variables.items() if key not in UNTIMED_VARIABLES}
    packages = {key: value for key, value in record.packages.items() if key in TIMED_PACKAGES}
    waiting = [record.wait_policy, record.timing_process]
    facts = [record.cpu, record.cores, record.device, record.threads, record.governor, waiting, variables, packages]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def system() -> str:
    """ "Linux 6.1 x86_64, glibc 2.36": the version without the name of a particular build."""
    library = " ".join(platform.libc_ver())
    release = ".".join(platform.release().split("-")[0].split(".")[:2])
    return f"{platform.system()} {release} {platform.machine()}{f', {library}' if library.strip() else ''}"


def capture(
    device: str = "cpu",
    threads: int | None = None,
    command: str = "",
    wait_policy: str = "",
    timing_process: Literal["", "fresh", "shared"] = "",
) -> EnvironmentRecord:
    """
    The environment of this process. `device` is what the run uses; the caller adds when it started and finished.

    `wait_policy` is what the processes that time are told, where that is not what this one was told.
    """
    record = EnvironmentRecord(
        python=platform.python_version(),
        platform=system(),
        cpu=first_line("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        cores=cores(),
        memory_bytes=memory_bytes(),
        device=device,
        threads=threads,
        wait_policy=wait_policy or os.environ.get("OMP_WAIT_POLICY", "default").lower(),
        timing_process=timing_process,
        governor=first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        packages=versions(PACKAGES + REPORT_PACKAGES),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
        command=anonymous(command),
    )
    return record.model_copy(update={"fingerprint": fingerprint(record)})


def git(*arguments: str) -> str:
    """Output of git in the tool's checkout; empty if git cannot say."""
    program = shutil.which("git")
    if program is None:
        return ""
    done = subprocess.run([program, "-C", str(PACKAGE.parent), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def tool() -> ToolRecord:
    """This version of sparsity-report, and its commit if it runs from a checkout of itself."""
    if not (PACKAGE.parent / ".git").exists():
        return ToolRecord(version=__version__)
    dirty = bool(git("status", "--porcelain", "--untracked-files=no"))
    return ToolRecord(version=__version__, commit=git("rev-parse", "--verify", "--quiet", "HEAD"), dirty=dirty)
