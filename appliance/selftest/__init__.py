"""The appliance attacks itself: real frames against the real gate, in namespaces of its own, and a signed report."""
