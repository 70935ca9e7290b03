"""The two wire protocols, Simple API and legacy upload, as pure functions: no files, no sockets, no status codes."""
