"""Images varied while a model learns from them; what it is measured on stays as it is."""
