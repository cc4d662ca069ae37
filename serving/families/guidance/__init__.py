"""Images of a class that a judge knows: latents are moved towards it, or away from it."""
