"""A schema's life in one minute: declared, applied, changed, previewed, applied, and read back from the database.

Everything happens in a temporary folder, on a PostgreSQL that is started for it and deleted afterwards.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

FIRST = """\
/// A person who can sign in.
entity User {
    id: uuid primary default uuid(),
    email: string unique,
    name: string,
}
"""

SECOND = """\
/// A person who can sign in.
entity User {
    id: uuid primary default uuid(),
    email: string unique,
    full_name: string was name,
    age: int? index check (age >= 0),
    posts: [Post] via author_id,
}

entity Post {
    id: bigint primary identity,
    title: string,
    author_id: uuid,
    author: User via author_id on delete cascade,
    created_at: timestamptz default now(),
}
"""

ROWS = "INSERT INTO users (email, name) VALUES ('ann@example.org', 'Ann'), ('bob@example.org', 'Bob')"


class Demo:
    """A project in a folder, and the commands typed in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {
            **os.environ,
            "PATH": programs,
            "DATABASE_URL": "embedded",
            "XDG_STATE_HOME": str(folder / "state"),
            # Else it would be asked for at the terminal.
            "CHAMELEON_MODE_PASSWORD": secrets.token_urlsafe(24),
        }

    def say(self, text: str) -> None:
        """Tell what comes next."""
        print(f"\n── {text}\n", flush=True)

    def write(self, text: str) -> None:
        """Write the schema and show it."""
        (self.folder / "schema.cham").write_text(text, encoding="utf-8")
        print(text, end="", flush=True)

    def run(self, *command: str) -> None:
        """Show a command and run it; the demo ends with the first that fails."""
        shown = " ".join(f'"{word}"' if " " in word else word for word in command)
        print(f"$ {shown}", flush=True)
        done = subprocess.run(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            sys.exit(f"{command[0]} ended with {done.returncode}")


def main() -> None:
    """Run the demo."""
    with tempfile.TemporaryDirectory(prefix="chameleon-demo-") as folder:
        demo = Demo(Path(folder))
        try:
            _play(demo)
        finally:
            demo.run("chameleon", "db", "stop")


def _play(demo: Demo) -> None:
    demo.say("A schema, on a PostgreSQL of its own")
    demo.write(FIRST)
    demo.run("chameleon", "validate")
    demo.run("chameleon", "migrate", "--apply")

    demo.say("Two people sign up")
    demo.run("chameleon", "db", "psql", "--", "-c", ROWS)

    demo.say("The schema changes: a field gets another name, one is new, and there are posts")
    demo.write(SECOND)

    demo.say("What would happen")
    demo.run("chameleon", "migrate", "--dry-run")

    demo.say("A project is locked unless somebody unlocks it, for half an hour")
    demo.run("chameleon", "config", "auth", "set-password")
    demo.run("chameleon", "config", "set", "mode=standard")

    demo.say("Let it happen")
    demo.run("chameleon", "migrate", "--apply")

    demo.say("Nobody got lost")
    demo.run("chameleon", "db", "psql", "--", "-c", "SELECT email, full_name, age FROM users")

    demo.say("Every version is kept, and nobody can quietly edit one")
    demo.run("chameleon", "journal", "schema")
    demo.run("chameleon", "verify")

    demo.say("And the database, read back as a schema")
    demo.run("chameleon", "introspect", "-o", "-")


if __name__ == "__main__":
    main()
