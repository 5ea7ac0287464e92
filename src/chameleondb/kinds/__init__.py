"""The object kinds, in the order in which they are read and, where nothing else decides, created."""
