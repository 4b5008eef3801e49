"""The administrators' console: lines of text in, lines of text out. Sockets are in pysrv.net.console."""
