"""The chapters of the settings table. `schema.py` joins them."""
