"""For those who write a backend, or test against pywharf: a suite to subclass, a backend in memory, tiny valid distributions,
a git host that goes wrong on demand.

Shipped with pywharf. `backend_suite`, `live_server` and `git_server` need pytest, the last one `git` too; the rest needs nothing
more than pywharf.
"""
