"""Who reads pictures of scenes: what there is, in which colour and size, and where."""
