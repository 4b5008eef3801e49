"""The keeper: what root does, the command, and what keeper and office share."""
