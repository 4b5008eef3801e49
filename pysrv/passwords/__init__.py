"""Passwords: how good one is, which ones are tried first, how people's are hashed, how secrets are sealed.

Knows neither the store nor settings; each library has one module here.
"""
