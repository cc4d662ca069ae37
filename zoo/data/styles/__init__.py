"""Styles of a text, each told to a model by a token before it.

Reference:
    Keskar et al. 2019, CTRL (arXiv:1909.05858): a control code before every training sequence.
"""
