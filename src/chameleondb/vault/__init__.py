"""The Schema Vault on disk: versions, their hashes, a chained log, and a manifest that follows from them."""
