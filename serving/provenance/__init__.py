"""Where content comes from: marks within files that say so."""
