"""Media: offers and answers rewritten, ports, relay rows, tones and digits. Pure."""
