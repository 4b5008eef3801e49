"""docs/payments.md names what the code reads."""

from pathlib import Path

from pysrv.payments import paypal_events, stripe_events

PAGE = Path(__file__).resolve().parents[2] / "docs" / "payments.md"


def test_the_page_names_every_event_to_subscribe_to() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in (*paypal_events.EVENTS, *stripe_events.EVENTS) if f"`{name}`" not in page] == []
