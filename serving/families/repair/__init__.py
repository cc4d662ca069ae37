"""What repairs photographs, at run time."""
