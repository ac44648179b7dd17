"""Exit codes, streams, and what the light commands must not import."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sparsity_report import __version__, cli, errors, registry
from sparsity_report.cli import VERBS, main

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "numba", "matplotlib", "weasyprint", "scipy")


def run(*arguments: str) -> int:
    """The exit code of a command line, in this process."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code is None or isinstance(end.value.code, int)
    return end.value.code or 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("validate", "quickstart"),
        ("plan", "quickstart"),
        ("plan", "opt125m_30pct", "--json"),
        ("list",),
        ("list", "methods", "magnitude"),
        ("schema",),
        ("init", "{tmp}/study.toml"),
        ("run", "--help"),
        ("render", "--help"),
    ],
    ids=" ".join,
)
def test_light_commands_import_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """They answer at once, and on machines where the heavy packages are broken."""
    code = (
        "import sys\nfrom sparsity_report.cli import main\n"
        "try:\n    main(tuple(sys.argv[1:]))\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]\n"
        "assert not loaded, loaded"
    )
    words = [word.replace("{tmp}", str(tmp_path)) for word in arguments]

    done = subprocess.run(
        [sys.executable, "-c", code, *words], check=False, capture_output=True, text=True, cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr


def test_every_registry_entry_can_be_read_without_torch() -> None:
    """Heads of entries are data; what computes imports torch when it is called."""
    code = (
        f"import sys\nfor name in {HEAVY}:\n    sys.modules[name] = None\n"
        "from sparsity_report import registry\n"
        "for kind in registry.REQUIRED:\n    for name in registry.names(kind):\n        registry.get(kind, name)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_the_module_runs_like_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "sparsity_report", "--version"], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"sparsity-report {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("validate", "quickstart"), errors.OK),
        (("validate", "--colour", "quickstart"), errors.USAGE),
        (("validate",), errors.USAGE),
        (("vlidate",), errors.USAGE),
        (("validate", "absent.toml"), errors.USAGE),
        (("validate", str(ROOT / "tests" / "specs" / "bad_unknown_key.toml")), errors.SPEC),
        (("plan", str(ROOT / "tests" / "specs" / "bad_syntax.toml")), errors.SPEC),
        (("run", str(ROOT / "tests" / "specs" / "bad_expectation_selects_nothing.toml")), errors.SPEC),
        (("render", "absent"), errors.USAGE),
        (("diff", "absent", "absent"), errors.USAGE),
    ],
    ids=str,
)
def test_exit_codes(arguments: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(*arguments) == code


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    run()

    shown = "".join(capsys.readouterr())
    assert all(verb in shown for verb in VERBS)


def test_help_lists_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    run("--help")

    shown = capsys.readouterr().out
    for code in errors.PRECEDENCE:
        if code not in (errors.INTERRUPTED,):
            assert f"\n    {code}    " in shown
    assert "\n    130  interrupted" in shown


def test_a_misspelt_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    run("vlidate")

    assert "did you mean 'validate'?" in capsys.readouterr().err


def test_messages_go_to_stderr_and_show_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    run("validate", str(ROOT / "tests" / "specs" / "bad_version.toml"))

    streams = capsys.readouterr()
    assert streams.out == ""
    assert "spec_version: must be 1, got 2" in streams.err
    assert "Traceback" not in streams.err


def crash(problem: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code when a verb raises `problem`."""

    def raise_it(kind: str) -> Any:
        raise problem

    monkeypatch.setattr(registry, "names", raise_it)
    return run("list")


def test_anything_unforeseen_is_our_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash(ZeroDivisionError("by zero"), monkeypatch) == errors.BUG

    shown = capsys.readouterr().err
    assert "ZeroDivisionError: by zero" in shown
    assert "this is a bug in sparsity-report" in shown


def test_ctrl_c_says_how_to_resume(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert crash(KeyboardInterrupt(), monkeypatch) == errors.INTERRUPTED

    assert "the same command resumes" in capsys.readouterr().err


def test_a_missing_capability_is_4_and_carries_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = errors.EnvironmentProblem("the disk is full", remedy="free some space")

    assert crash(problem, monkeypatch) == errors.ENVIRONMENT
    assert capsys.readouterr().err == "error: the disk is full\nfree some space\n"


@pytest.mark.parametrize("arguments", [("list",), ("plan", "quickstart")], ids=" ".join)
def test_a_narrow_encoding_loses_signs_and_not_the_output(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Windows' pipes and consoles speak cp1252, which has neither "→" nor "⌊"."""
    narrow = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-m", "sparsity_report", *arguments]

    done = subprocess.run(command, check=False, capture_output=True, env=narrow, cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"?" in done.stdout


LONG = "a" * 300
"""No file system takes it."""


@pytest.mark.parametrize(
    "arguments",
    [
        *(("validate", LONG), ("run", LONG), ("run", "quickstart", "--out", LONG), ("check", LONG), ("render", LONG)),
        *(("diff", LONG, LONG), ("cache", LONG), ("init", LONG), ("schema", "--output", LONG)),
        *(("schema", "--check", LONG), ("schema", "--output", "."), ("init", "/proc/nowhere/x.toml")),
    ],
    ids=lambda each: " ".join(each)[:30],
)
def test_a_path_that_the_system_refuses_is_no_bug(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert run(*arguments) == errors.ENVIRONMENT
    assert capsys.readouterr().err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_stdout_is_no_bug(capfd: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "sparsity_report", "list"], check=False, stdout=full)

    assert done.returncode == errors.ENVIRONMENT
    assert capfd.readouterr().err == f"error: what is printed cannot be written: {os.strerror(errno.ENOSPC)}\n"


def test_closed_streams_lead_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service or `2>&-` has them: progress is told to nobody, and nothing fails for it."""
    from sparsity_report.cli.console import Console
    from sparsity_report.engine.events import RunStarted

    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert run("list") == errors.OK
    with Console() as console:
        console(RunStarted("a study", 3))

    for name in ("stdin", "stdout", "stderr"):
        getattr(sys, name).close()


def test_every_verb_has_its_file() -> None:
    files = {file.stem for file in Path(cli.__file__).parent.glob("*.py")}

    assert set(VERBS) <= files
