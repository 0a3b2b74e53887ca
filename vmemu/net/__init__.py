"""Sockets: AF_UNIX, and loopback AF_INET and AF_INET6, inside the guests' world only."""
