"""How texts are split before they are encoded, how tokens are written, and what becomes of them."""
