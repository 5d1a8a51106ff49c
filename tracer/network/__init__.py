"""Floor 3: the declared network: a config read, its blocks unrolled, its names resolved."""
