"""The text of a config: YAML with positions, expressions, limits."""
