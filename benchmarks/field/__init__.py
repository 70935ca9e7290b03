"""pywharf beside other package servers, and beside the bare stack it stands on: the same requests, in turn, in one run."""
