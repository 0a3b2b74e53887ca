"""``python -m vmemu``."""

from vmemu.cli.main import main

if __name__ == "__main__":
    main()
