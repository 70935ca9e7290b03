"""What an upload is refused for, one function each, grouped by what they look at. Their order is `admission.CHECKS`."""
