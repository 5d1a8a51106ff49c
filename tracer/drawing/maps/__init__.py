"""The picture as maps: a slab for each map, as high as its extent and as thick as its channels, a level per band."""
