"""One configured repository: what is admitted, what is known, how both stay in step with the storage."""
