"""Where declared schemas are elaborated: a shadow database chosen for a target, opened when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from chameleondb.errors import DatabaseUnreachable
from chameleondb.postgres.scratch import PREFIX, Shadow, open_shadow
from chameleondb.postgres.session import Connection, connect
from chameleondb.postgres.url import Target

Notice = Callable[[str], None]


class Shadows:
    """Opens shadows as much like one target as possible; `notice` hears what differs, `detail` what was chosen.

    The context that `busy` returns lasts as long as the work in a shadow.

    Calling it raises NotSupported where no shadow has the extensions, UsageError where the embedded PostgreSQL would be
    needed and is not installed.
    """

    def __init__(
        self,
        connection: Connection,
        target: Target,
        local: Path,
        *,
        configured: Target | None = None,
        notice: Notice = lambda _: None,
        detail: Notice = lambda _: None,
        busy: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.connection, self.target, self.local, self.configured = connection, target, local, configured
        self.notice, self.detail, self.busy = notice, detail, busy

    @contextmanager
    def __call__(self, extensions: frozenset[str]) -> Iterator[Connection]:
        """Give a connection to an empty database that offers the extensions; it is gone at the end."""
        with open_shadow(
            self.connection, self.target, local=self.local, configured=self.configured, extensions=extensions
        ) as shadow:
            self.detail(f"shadow: {shadow.why}")
            for text in shadow.notices:
                self.notice(text)
            connection = _connect(shadow)
            try:
                with self.busy(f"working in {shadow.why}"):
                    yield connection
            finally:
                connection.close()


def _connect(shadow: Shadow) -> Connection:
    try:
        return connect(shadow.target, purpose="shadow")
    except DatabaseUnreachable as error:
        error.hint = (
            f"{shadow.why} could be made, but must be reachable, too: let the role connect to databases called"
            f" {PREFIX}…, and more than twice at once; or name another server in database.shadow_url"
        )
        raise
