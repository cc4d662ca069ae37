"""Models that say how a video goes on."""
