"""What models do at run time: one file a family."""
