"""Configs that are written for a wish: families of networks, plans, the decoder for an encoder; and tiles of a picture.

Nothing here prints, and nothing here says that a design is right: what is written is loaded and judged like any config.
"""
