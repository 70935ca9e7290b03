"""Wheel, sdist, ZIP and tar: what is read out of archives that strangers made, and never more than is asked for."""
