"""The pure ring: no event loop, clock, randomness, files or sockets."""
