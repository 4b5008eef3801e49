"""The appliance's one certificate, for SIP over TLS and HTTPS alike: made by itself, or brought by the operator."""
