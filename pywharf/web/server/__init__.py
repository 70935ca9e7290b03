"""The Cheroot server: how requests arrive and how it stops. Knows sockets; knows nothing of repositories."""
