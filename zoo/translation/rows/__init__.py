"""Texts as rows of tokens: words in subwords, texts with gaps, short texts side by side."""
