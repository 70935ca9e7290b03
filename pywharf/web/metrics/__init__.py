"""`/metrics`: what is counted, how the processes of one server add it up, and how it is told to Prometheus."""
