"""Images as codes at run time: told by whole numbers, drawn by filling them in."""
