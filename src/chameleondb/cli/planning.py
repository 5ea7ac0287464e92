"""What the commands that look at a plan share: the preview of the project's files, and where they are elaborated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chameleondb.cli.output import App

if TYPE_CHECKING:
    from chameleondb.workflow.migrate import Preview
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
    )
