"""Tests of the web layer; a package, so that its modules may be called like those of other layers."""
