"""Data set `python_topics`: the English text of the language reference that comes with Python."""
