"""Sizes: an integer, an array or a symbol, and what is computed with them."""
