"""How texts are split before they are encoded, and how tokens are written."""
