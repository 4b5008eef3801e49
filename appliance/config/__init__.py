"""Settings: kinds of value, the table in chapters, frozen snapshots. Shared by keeper and office; reads one file."""
