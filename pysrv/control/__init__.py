"""The office's verbs for operators: what the `appliance` command asks for over office.sock, or of a single run."""
