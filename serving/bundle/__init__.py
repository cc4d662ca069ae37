"""The bundle: its manifest, its files, and the checks that nothing of it can do harm."""
