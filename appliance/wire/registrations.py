"""Registrations whose repetition the kernel answers. Times are Unix seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refresh:
    """A REGISTER whose repetition from the same source the kernel answers until `until`.

    `address_of_record`, `contact` and `expires` are the values of To, Contact and Expires as they stood in the request
    (`expires` empty without that header). `expires_at` is the binding's own end: the answer says what is left of it.
    """

    address: str
    port: int
    address_of_record: str
    contact: str
    expires_at: float
    until: float
    expires: str = ""


@dataclass(frozen=True, slots=True)
class RefreshRef:
    """Refreshes to forget: those of one address of record; with `address`, those of that source too."""

    address_of_record: str = ""
    address: str = ""
