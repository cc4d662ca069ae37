"""What paints photographs in any style, at run time."""
