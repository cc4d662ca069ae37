"""How networks that repair photographs are exported."""
