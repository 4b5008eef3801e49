"""Settings of how people are told what happened: mail, SMS and a webhook."""

from urllib.parse import urlsplit

from appliance.config.fields import Bool, Choice, Enum, Int, Port
from appliance.config.row import Place, Row
from appliance.config.textual import (
    EMAIL,
    PHONE,
    Duration,
    Form,
    ListOf,
    Secret,
    Str,
    is_address,
    is_domain,
    is_https,
)

_MARKS = ("{number}", "{text}")


def _is_host(text: str) -> bool:
    return is_domain(text) or (is_address(text) and "/" not in text)


def _is_webhook(text: str) -> bool:
    """Whether `text` is an https address, or an http one of an address that is written out."""
    return is_https(text) or (is_https(text, ("http",)) and is_address(urlsplit(text).hostname or ""))


def _is_gateway(text: str) -> bool:
    """Whether `text` is such an address which says where number and text go, and has no other braces."""
    bare = text
    for mark in _MARKS:
        bare = bare.replace(mark, "x")
    host = text.partition("://")[2].partition("/")[0]
    return all(mark in text for mark in _MARKS) and not set("{}#") & set(bare) and "{" not in host and _is_webhook(bare)


WEBHOOK = Form(_is_webhook, "an https:// URL, or one of http:// and an address", "https:// URLs")
HOST = Form(_is_host, "an address or DNS name", "addresses or DNS names")
GATEWAY = Form(
    _is_gateway, "an https:// URL (or http:// and an address) with {number} and {text} in it", "https:// URLs"
)


class NotificationRows:
    """Notices to administrators and owners."""

    sendadminemailnotifications = Row(
        Enum({0: "none", 1: "critical ones", 2: "also blocked users"}),
        "1",
        Place.NOTIFY,
        "Which events administrators are told of by mail and SMS; with 2 also of warnings, such as a limit that comes "
        "near.",
        strict="2",
        in_force=True,
        see=("adminemails", "adminphones", "mailserver"),
    )
    adminemails = Row(
        ListOf(EMAIL),
        "",
        Place.NOTIFY,
        "Mail addresses of the administrators.",
        in_force=True,
        see=("sendadminemailnotifications",),
    )
    adminphones = Row(
        ListOf(PHONE),
        "",
        Place.NOTIFY,
        "Telephone numbers of the administrators, for SMS.",
        in_force=True,
        see=("sendadminemailnotifications", "smsgatewayurl"),
    )
    notifyowners = Row(
        Enum({0: "no", 1: "by mail", 2: "by mail, or by SMS without a mail address"}),
        "1",
        Place.NOTIFY,
        "Whether owners of accounts are told what concerns their account.",
        in_force=True,
    )
    mailserver = Row(
        Str(HOST),
        "",
        Place.NOTIFY,
        "Server that takes the mails; empty: no mail is sent.",
        in_force=True,
        see=("mailport", "mailsecurity", "mailuser", "mailfrom"),
    )
    mailport = Row(Port(), "587", Place.NOTIFY, "Port of the mail server.", in_force=True, see=("mailserver",))
    mailsecurity = Row(
        Choice(
            {
                "starttls": "encrypted after STARTTLS, or not at all",
                "tls": "encrypted from the first byte",
                "none": "in the clear, without a login",
            }
        ),
        "starttls",
        Place.NOTIFY,
        "How the connection to the mail server is secured; its certificate is verified.",
        in_force=True,
        see=("mailserver", "mailuser"),
    )
    mailuser = Row(
        Str(),
        "",
        Place.NOTIFY,
        "User at the mail server; empty: without a login.",
        in_force=True,
        see=("mailpassword",),
    )
    mailpassword = Row(Secret(), "", Place.NOTIFY, "Password at the mail server.", in_force=True, see=("mailuser",))
    mailfrom = Row(
        Str(EMAIL), "", Place.NOTIFY, "Sender of the mails; empty: no mail is sent.", in_force=True, see=("mailserver",)
    )
    notifywebhook = Row(
        Str(WEBHOOK),
        "",
        Place.NOTIFY,
        "URL to which every notice is posted as JSON; empty: none.",
        in_force=True,
        see=("notifywebhookkey", "notifyprivate"),
    )
    notifywebhookkey = Row(
        Secret(),
        "",
        Place.NOTIFY,
        "Key that signs what is posted to the webhook (HMAC-SHA256); empty: nothing is posted.",
        in_force=True,
        see=("notifywebhook",),
    )
    smsgatewayurl = Row(
        Secret(GATEWAY),
        "",
        Place.NOTIFY,
        "URL of an SMS gateway, with {number} and {text} where they belong; empty: no SMS is sent. It often holds a "
        "password, so it is never shown.",
        in_force=True,
        see=("smsmethod", "notifyprivate"),
    )
    smsmethod = Row(
        Choice({"get": "the URL as it stands", "post": "what follows the ? is sent as a form"}),
        "get",
        Place.NOTIFY,
        "How the SMS gateway is asked.",
        in_force=True,
        see=("smsgatewayurl",),
    )
    notifyprivate = Row(
        Bool(),
        "false",
        Place.NOTIFY,
        "Webhook and SMS gateway may lie on this machine or in a private network, and be asked by http:// there. "
        "Without it only public addresses are reached, whatever a name leads to.",
        strict="false",
        in_force=True,
        see=("notifywebhook", "smsgatewayurl"),
    )
    notifyperhour = Row(
        Int(high=10_000, special={0: "unlimited"}),
        "60",
        Place.NOTIFY,
        "Most messages within an hour by each of mail, SMS and webhook, to administrators and to owners each; what is "
        "beyond waits.",
        unit="messages",
        in_force=True,
        see=("notifydigest",),
    )
    notifydigest = Row(
        Duration("off"),
        "5m",
        Place.NOTIFY,
        "After a message its recipient gets no other for so long; what comes meanwhile is told in one.",
        unit="s",
        in_force=True,
        see=("notifyperhour",),
    )
