"""One module for each subject of the portal."""
