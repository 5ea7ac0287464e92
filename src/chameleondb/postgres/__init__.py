"""Everything that talks to PostgreSQL; the only package that knows the driver."""
