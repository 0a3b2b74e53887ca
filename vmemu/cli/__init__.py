"""The command line: ``vmemu run``, ``compare``, ``overhead``, ``list``."""
