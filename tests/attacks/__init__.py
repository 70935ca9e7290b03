"""Attacks on a server, ours and a plain one beside it: requests that can be read in two ways, and clients that mean no good.

`python -m tests.attacks` runs them all and prints the tables of docs/reference/reliability.md.
"""
