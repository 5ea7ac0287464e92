"""The use cases, and with them the library API: the only place that wires files, server and planner together."""
