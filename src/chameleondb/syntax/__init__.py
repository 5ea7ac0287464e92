"""Text to tokens to tree. No kind is named here: their productions are passed in."""
