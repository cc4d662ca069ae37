"""From one language to another, whatever runs the network."""
