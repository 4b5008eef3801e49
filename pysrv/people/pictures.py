"""A QR code (ISO/IEC 18004) of what an authenticator's camera is to read, by the library `segno`. Pure."""

import segno


def qr_picture(text: str) -> str:
    """An SVG as a `data:` address: it is in the page, so that no cache and no log of requests sees it."""
    return str(segno.make(text, error="m", micro=False).svg_data_uri(scale=5, border=4, dark="#000", light="#fff"))
