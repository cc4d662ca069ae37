"""Moving digits: two handwritten digits that cross a frame and bounce off its edges."""
