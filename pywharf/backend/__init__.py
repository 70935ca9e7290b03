"""The seam between pywharf and storage: what a backend is, and how it is found."""
