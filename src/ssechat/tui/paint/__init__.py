"""From what Textual composes to the bytes that a terminal still needs."""
