"""SIP: grammar, messages, digest, the transactions as executed tables, dialogs, a sans-IO endpoint. Pure."""
