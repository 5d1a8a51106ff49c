"""Floor 2: the text of a config: YAML with positions, expressions, limits."""
