"""The administrators' tunnel: WireGuard, so that panel, console and SSH need no open door but one UDP port."""
