"""What is exported so that a judge can steer what a model draws."""
