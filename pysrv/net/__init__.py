"""The network: sockets of SIP and console, the line to the keeper, and the relay where the kernel cannot."""
