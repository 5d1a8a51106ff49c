"""The differences of two networks."""
