"""Why the bench does not run."""


class BenchError(Exception):
    """What was asked for cannot be done here; the message is one sentence."""
