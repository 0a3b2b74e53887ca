"""Side-by-side timings of one i386 binary, natively and under emulators: ``python -m bench``."""
