"""The keeper's side of the gate: desired rows and their difference, maps by bcc, links by netlink, nftables."""
