"""Floor 1: the text of a config: YAML with positions, expressions, limits."""
