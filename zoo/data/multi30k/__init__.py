"""Data set `multi30k`: descriptions of 31,000 photographs in English, and in German."""
