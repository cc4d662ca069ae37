"""How requests become work: what is admitted, what waits, what runs together."""
