"""Flows at run time: images by following a learned velocity from noise."""
