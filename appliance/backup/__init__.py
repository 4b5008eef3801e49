"""Backups: what is taken, where it goes, and how it comes back. Everything here runs as root, and opens no database."""
