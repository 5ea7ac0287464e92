"""Values that nobody changes: dataclasses that are frozen for the type checker.

A schema is tens of thousands of them. Those that refuse at run time, too, take four times as long to fill and half as
long again to define (ADR 15).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(*, kw_only: bool = False, slots: bool = True) -> Callable[[type[T]], type[T]]:
    """Make a class a dataclass with equality and a hash, to whose fields mypy lets nobody assign."""
    return dataclass(kw_only=kw_only, slots=slots, unsafe_hash=True)
