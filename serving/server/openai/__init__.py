"""The part of the OpenAI API that models of texts and of images can answer."""
