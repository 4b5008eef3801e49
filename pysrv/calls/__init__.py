"""Calls: the registrar, and a back-to-back user agent whose legs tell each other events, never SIP. Pure."""
