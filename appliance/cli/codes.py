"""A QR code (ISO/IEC 18004) for a terminal, by the library `segno`: two rows of it in one line of half blocks."""

import io

import segno


def qr_lines(text: str) -> str:
    """Lines of blocks that a camera reads from a terminal."""
    out = io.StringIO()
    segno.make(text, error="l", micro=False).terminal(out, compact=True, border=2)
    return out.getvalue().rstrip("\n")
