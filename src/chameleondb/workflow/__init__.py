"""The use cases: the library API. Only here are disk, database, plan and execution wired together."""
