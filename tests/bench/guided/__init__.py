"""What it brings and costs to draw towards a class."""
