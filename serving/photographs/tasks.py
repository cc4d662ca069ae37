"""What may be wrong with a photograph that is repaired."""

INPAINT, COLOURISE, DEBLUR, DENOISE = TASKS = ("inpaint", "colourise", "deblur", "denoise")
