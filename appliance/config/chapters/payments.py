"""Settings of payments through hosted checkouts."""

import re
from urllib.parse import urlsplit

from appliance.config.fields import Bool, Choice, Money
from appliance.config.row import Place, Row
from appliance.config.textual import Form, Secret, Str, is_address, is_https


def _is_api(text: str) -> bool:
    """Whether `text` is an https address, or an http one of an address that is written out; without a query."""
    plain = is_https(text, ("http",)) and is_address(urlsplit(text).hostname or "")
    return (is_https(text) or plain) and not set("?#") & set(text)


def _is_token(text: str) -> bool:
    """Whether `text` can stand in a header."""
    return text.isascii() and text.isprintable() and " " not in text


def _is_currency(text: str) -> bool:
    return re.fullmatch(r"[A-Z]{3}", text, re.ASCII) is not None


API = Form(_is_api, "an https:// URL, or one of http:// and an address", "https:// URLs")
TOKEN = Form(_is_token, "one word of ASCII", "words of ASCII")
CURRENCY = Form(_is_currency, "three capital letters, such as EUR", "currencies")


class PaymentRows:
    """Payments."""

    paymentgateway = Row(
        Choice({"off": "no payments", "paypal": "PayPal", "stripe": "Stripe Checkout"}),
        "off",
        Place.PAYMENTS,
        "Where users are sent to pay; no card ever touches this appliance. What was begun before a change is still "
        "credited, refunded and disputed, while the credentials of its gateway are set.",
        in_force=True,
        see=("paypalclientid", "stripekey", "paymentmaxauto", "paymentfirstmanual"),
    )
    paymentfirstmanual = Row(
        Bool(),
        "true",
        Place.PAYMENTS,
        "The first payment of an account waits for an administrator.",
        strict="true",
        in_force=True,
        see=("paymentmaxauto",),
    )
    paymentmaxauto = Row(
        Money(special={0: "all wait"}),
        "100",
        Place.PAYMENTS,
        "Payments above this, and suspicious ones, wait for an administrator.",
        unit="money",
        in_force=True,
        see=("paymentfirstmanual",),
    )
    paymentmin = Row(
        Money(), "5", Place.PAYMENTS, "The least that can be paid at a time.", unit="money", in_force=True,
        see=("paymentmax",),
    )  # fmt: skip
    paymentmax = Row(
        Money(special={0: "unlimited"}), "500", Place.PAYMENTS, "The most that can be paid at a time.", unit="money",
        in_force=True, see=("paymentmin", "paymentmaxauto"),
    )  # fmt: skip
    paymentcurrency = Row(
        Str(CURRENCY),
        "",
        Place.PAYMENTS,
        "The currency in which users pay; empty: that of their account. Another one is credited at the exchange rate "
        "of the moment in which they are sent to the gateway, and given back at the same.",
        in_force=True,
        see=("basecurrency",),
    )
    paymentdisputelock = Row(
        Bool(),
        "true",
        Place.PAYMENTS,
        "A dispute or chargeback closes outgoing calls of the account (locklevel 2), whatever credit is left.",
        strict="true",
        in_force=True,
        see=("locklevel",),
    )
    paypalclientid = Row(
        Str(TOKEN), "", Place.PAYMENTS, "Client ID of the REST app at PayPal.", in_force=True, see=("paypalsecret",)
    )
    paypalsecret = Row(
        Secret(TOKEN), "", Place.PAYMENTS, "Secret of the REST app at PayPal.", in_force=True, see=("paypalclientid",)
    )
    paypalwebhookid = Row(
        Str(TOKEN),
        "",
        Place.PAYMENTS,
        "ID of the webhook at PayPal; without it no message of PayPal is believed.",
        in_force=True,
        see=("paypalclientid",),
    )
    paypalsandbox = Row(
        Bool(),
        "false",
        Place.PAYMENTS,
        "PayPal's sandbox is asked, in which no money moves: for trying out alone, what is paid there is credited.",
        strict="false",
        in_force=True,
        see=("paypalclientid",),
    )
    stripekey = Row(
        Secret(TOKEN),
        "",
        Place.PAYMENTS,
        "Secret or restricted key at Stripe (sk_ or rk_). With one of test mode no money moves, and it is credited.",
        in_force=True,
        see=("stripewebhooksecret",),
    )
    stripewebhooksecret = Row(
        Secret(TOKEN),
        "",
        Place.PAYMENTS,
        "Signing secret of the webhook at Stripe (whsec_); without it no message of Stripe is believed.",
        in_force=True,
        see=("stripekey",),
    )
    paymentapiurl = Row(
        Str(API),
        "",
        Place.PAYMENTS,
        "Where the gateway's API is asked instead of at its own address: a relay of your own. It sees the credentials.",
        in_force=True,
        see=("paymentgateway",),
    )
