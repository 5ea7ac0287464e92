"""The model: frozen objects in an immutable schema. No stage, no kind, no I/O."""
