"""`python -m pywharf` is the same as `pywharf`."""

from pywharf.cli.main import main

if __name__ == "__main__":
    main()
