"""Torch: networks built as modules, and compared with them. The only place that imports torch."""
