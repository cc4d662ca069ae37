"""Data set `digits`: 1,797 handwritten digits of 8x8 pixels that come with scikit-learn."""
