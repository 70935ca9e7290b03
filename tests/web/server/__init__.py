"""Tests of the Cheroot server, over real sockets on this machine."""
