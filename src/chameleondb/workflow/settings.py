"""Changing the configuration file, where the mode allows it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from chameleondb import disk
from chameleondb.config import CONFIG_FILE, Project
from chameleondb.configfile import read_text, with_list
from chameleondb.errors import UsageError
from chameleondb.modes.policy import Operation, require
from chameleondb.workflow.modes import Modes


def set_schema_paths(project: Project, modes: Modes, paths: Sequence[str]) -> Path:
    """Write `schema.paths` and nothing else of the file, which is made if need be; returns the file.

    Raises: ModeError CHM2100; UsageError where the paths lead to no schema, or the file cannot be changed; as
    `Modes.look`.
    """
    require(modes.look().mode, Operation.SET_SCHEMA_PATHS)
    settings = dataclasses.replace(project.settings, schema_paths=tuple(paths))
    dataclasses.replace(project, settings=settings).schema_files()
    path = project.config_file or project.root / CONFIG_FILE
    if path.name != CONFIG_FILE:
        raise UsageError(
            "CHM0553",
            f"{path.name} is not changed by Chameleon",
            hint="write it by hand: [tool.chameleon.schema], paths = […]",
        )
    text = read_text(path) if project.config_file else ""
    disk.replace(path, with_list(path, text, "schema", "paths", paths).encode())
    return path
