"""The page at `/`: models tried in a browser."""
