"""What the commands that look at a plan share: the preview of the project's files, and where they are elaborated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from chameleondb.cli.output import App

if TYPE_CHECKING:
    from chameleondb.vault.history import Version
    from chameleondb.workflow.migrate import Preview
    from chameleondb.workflow.progress import Progress
    from chameleondb.workflow.shadow import Shadows
    from chameleondb.workflow.source import Files


def preview_of(app: App, connection: Any, *, use_cache: bool = True, recall: bool = False) -> tuple[Preview, Files]:
    """Return what would change in the database, and the schema files. Raises: as `workflow.migrate.preview`."""
    from chameleondb.workflow.cache import Cache
    from chameleondb.workflow.migrate import preview
    from chameleondb.workflow.source import Files, read

    files = Files(read(app.project.schema_files()))
    what = preview(
        connection,
        files,
        shadows(app, connection),
        small_table_bytes=app.project.settings.small_table_bytes,
        cache=Cache(app.project.local / "cache") if use_cache else None,
        recall=recall,
    )
    return what, files


def incomplete(version: Version, what: Preview, files: Files) -> str:
    """Say what the next apply does about a version that was never finished."""
    from chameleondb.workflow.recording import Content

    if Content(files, what).is_version(version):
        return f"{version.label} is incomplete: chameleon migrate --apply finishes it"
    return f"{version.label} is incomplete, and the schema has changed since: chameleon migrate --apply supersedes it"


def progress(app: App, connection: Any) -> AbstractContextManager[Progress]:
    """Return what tells of the long statements of a connection, on stderr."""
    from chameleondb.postgres.activity import Onlooker
    from chameleondb.workflow.progress import Progress

    onlooker = Onlooker(app.target, connection)
    app.resources.callback(onlooker.close)
    return Progress(lambda line: _tell(app, line), onlooker)


@contextmanager
def _busy(app: App, work: str) -> Iterator[None]:
    from chameleondb.workflow.progress import Progress

    with Progress(lambda line: _tell(app, line)) as told, told.doing(work):
        yield


def _tell(app: App, line: str) -> None:
    app.out.note(f"   … {line}")


def shadows(app: App, connection: Any) -> Shadows:
    """Return what opens a shadow for the target of a command."""
    from chameleondb.config import shadow_setting
    from chameleondb.postgres.url import parse
    from chameleondb.workflow.shadow import Shadows

    setting = shadow_setting(app.project, dot_env=app.dot_env)
    configured = parse(setting.value, origin=setting.origin, folder=app.project.root) if setting else None
    return Shadows(
        connection,
        app.target,
        app.project.local,
        configured=configured,
        notice=app.out.warn,
        detail=app.out.detail,
        busy=lambda work: _busy(app, work),
    )
