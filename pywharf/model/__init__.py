"""What pywharf talks about, as pure data: no I/O, no HTTP."""
