"""The networks: one finds the style of a picture, the other paints a picture in a style."""
