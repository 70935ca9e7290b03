"""The command line: words in, exit code out. The work itself is below."""
