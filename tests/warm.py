"""The command without its start: a process that has loaded the package forks for every run.

A run takes a third of a second of work, most of it for loading modules, and the tests make thousands of them. A fork is
a process all the same, with a memory, an environment, a folder and an end of its own.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import chameleondb

_MESSAGE_MAX = 1024 * 1024
_READ_AT_START = ("PYTHON", "LC_", "LANG")  # by the interpreter: a fork takes them up no more


class Warm:
    """The process that forks; it ends with the one that started it."""

    def __init__(self) -> None:
        self._started = _read_at_start(os.environ)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=Path(__file__).parents[1],
                env={**os.environ, "PYTHONUTF8": "1"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self._end)

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()

    def takes(self, environment: Mapping[str, str]) -> bool:
        """Whether a run with an environment would be what it is in a process of its own."""
        return _read_at_start({**os.environ, **environment}) == self._started

    def run(
        self, module: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Do what ``python -m module`` does in a folder, with nothing to read."""
        order = {"module": module, "arguments": [*arguments], "folder": str(folder), "environment": {**environment}}
        answer, told = os.pipe()
        with open(os.devnull, "rb") as stdin, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            handles = [stdin.fileno(), stdout.fileno(), stderr.fileno(), told]
            socket.send_fds(self._socket, [json.dumps(order).encode()], handles)
            os.close(told)
            with os.fdopen(answer) as lines:
                status = int(lines.read())
            texts = []
            for file in (stdout, stderr):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess([module, *arguments], status, *texts)


@functools.cache
def warm() -> Warm:
    """Return the process of this run of the tests."""
    return Warm()


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(_READ_AT_START) and k != "PYTHONUTF8"}


def _serve(orders: socket.socket) -> None:
    for module in pkgutil.walk_packages(chameleondb.__path__, "chameleondb."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who watch
    while True:
        message, handles, *_ = socket.recv_fds(orders, _MESSAGE_MAX, 4)
        if not message:
            return
        if os.fork() == 0:
            _watch(json.loads(message), handles)
        for handle in handles:
            os.close(handle)


def _watch(order: Mapping[str, Any], handles: Sequence[int]) -> NoReturn:
    """Run the command in another fork, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _become(handles, **order)
    _, status = os.waitpid(child, 0)
    os.write(handles[3], str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(
    handles: Sequence[int], module: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str]
) -> NoReturn:
    for number in range(3):
        os.dup2(handles[number], number)
    os.closerange(3, 256)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    status = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
