"""pywharf: a private PyPI server whose packages live in storage that a team already trusts."""

__version__ = "0.3.0"
