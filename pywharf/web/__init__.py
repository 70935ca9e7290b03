"""Everything that says HTTP: callers, routes, pages, errors as statuses, and the server that carries them."""
