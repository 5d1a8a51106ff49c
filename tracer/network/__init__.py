"""The declared network: a config read, its blocks unrolled, its names resolved."""
