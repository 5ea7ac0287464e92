"""Foreign keys: the model."""

from __future__ import annotations

from chameleondb.frozen import frozen
from chameleondb.names import Identity


@frozen(kw_only=True)
class ForeignKey:
    """A foreign key, ``constraint/<schema>/<table>/<name>``.

    Actions are ``no action``, ``restrict``, ``cascade``, ``set null``, ``set default``; `set_columns` limits the last
    two on delete; `deferrable` is ``no``, ``immediate`` or ``deferred``.
    """

    id: Identity
    columns: tuple[str, ...]
    target: Identity
    target_columns: tuple[str, ...]
    match: str = "simple"  # or "full"
    on_update: str = "no action"
    on_delete: str = "no action"
    set_columns: tuple[str, ...] = ()
    deferrable: str = "no"
    validated: bool = True
    enforced: bool = True  # NOT ENFORCED exists from PostgreSQL 18
    period: bool = False  # the last column pair is a PERIOD (18+)
