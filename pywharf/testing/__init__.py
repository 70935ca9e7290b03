"""For those who write a backend, or test against pywharf: a suite to subclass, a backend in memory, tiny valid distributions.

Shipped with pywharf. `backend_suite` needs pytest; the rest needs nothing more than pywharf.
"""
