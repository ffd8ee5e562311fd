"""The relay: the hub behind HTTP. It keeps keys and journals on a server, and makes any provider's
stream resumable."""
