"""Floor 13: torch: networks built as modules, and compared with them. The only place that imports torch."""
