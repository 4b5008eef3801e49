"""The attacks of a list, against the real web over TLS: see table.py."""
