"""Music in four voices on a grid of sixteenths."""
