"""Reports: what a command found, as one HTML file with pictures.

Nothing here is imported unless ``--report`` is given; jinja2 lays out pages and timelines,
matplotlib draws bars (both are the extra ``report``).
"""
