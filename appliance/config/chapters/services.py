"""Settings of fraud and price checks, of the system, the web and the API."""

from appliance.config.fields import Bool, Choice, Enum, Int, Money
from appliance.config.row import Place, Row, Strict
from appliance.config.textual import ADDRESS, Form, ListOf, Map, Secret, Str, is_address, is_domain


def _is_hep_server(text: str) -> bool:
    """Whether `text` is HOST:PORT or [IPV6]:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal() and 1 <= int(port[:6]) <= 65535):
        return False
    if host.startswith("[") and host.endswith("]"):
        return ":" in host and "/" not in host and is_address(host[1:-1])
    return ":" not in host and (is_domain(host) or (is_address(host) and "/" not in host))


HEP_SERVER = Form(_is_hep_server, "HOST:PORT or [IPV6]:PORT", "hosts and ports")


class FraudRows:
    """Fraud, prices and profit."""

    blocksatellitecalls = Row(
        Bool(),
        "true",
        Place.FRAUD,
        "Numbers of satellite and international networks are refused: +870, +881, +882, +883.",
        strict="true",
        in_force=True,
    )
    blockpremiumnumbers = Row(
        Bool(),
        "true",
        Place.FRAUD,
        "Premium-rate numbers are refused: +979 and those of each country, however many digits are dialled.",
        strict="true",
        in_force=True,
        see=("blocksharedcostnumbers", "homecountry"),
    )
    blocknotbilledcalls = Row(
        Enum(
            {
                0: "no",
                1: "without a price in the rate deck",
                2: "also unless the prefix matches exactly",
                3: "also unless the deck is the account's own",
                4: "also without a price in the trunk's tariff",
                5: "also without a price in every parent's tariff",
            }
        ),
        "0",
        Place.BILLING,
        "Which calls without a sure price are refused.",
        strict="1",
        in_force=True,
        see=("vgetpriceexactmatch", "reuseuppergep", "notbilledcallerr"),
    )
    blocknotprofitablecalls = Row(
        Enum({0: "no", 1: "cost above price", 2: "also when equal", 3: "also when a price is missing"}),
        "0",
        Place.BILLING,
        "Which calls that earn nothing are refused, judged over expectedtalk at every level of resellers.",
        strict="1",
        in_force=True,
        see=("expectedtalk",),
    )
    vgetpriceexactmatch = Row(
        Enum({0: "no", 1: "resellers", 2: "all"}),
        "0",
        Place.BILLING,
        "For whom a price is taken only from an exact match of the prefix.",
        in_force=True,
        see=("blocknotbilledcalls",),
    )
    notbilledcallerr = Row(
        Enum({0: "error of priority 2", 1: "error", 2: "critical"}),
        "0",
        Place.BILLING,
        "How serious a call without a price is in logs and notices.",
        in_force=True,
        see=("blocknotbilledcalls",),
    )
    blockhighcostcalls = Row(
        Money(special={0: "off"}),
        "0",
        Place.BILLING,
        "Routes that cost more than this per minute, or whose cost is not known, are left out.",
        unit="money/min",
        in_force=True,
        see=("basecurrency",),
    )
    reuseuppergep = Row(
        Bool(),
        "false",
        Place.BILLING,
        "Customers of a reseller may use the rate deck of its parent where their own has no price.",
        strict="false",
        in_force=True,
        see=("blocknotbilledcalls",),
    )


class SignallingRows:
    """Where calls may come from and what they show."""

    fwdtootherdomains = Row(
        Bool(),
        "true",
        Place.SIGNALLING,
        "Accounts' calls to domains of others are routed there, at the price of their deck. A domain is another's only "
        "where localdomain says ours; it leads to a public address or nowhere.",
        in_force=True,
        strict="false",
        see=("localdomain",),
    )
    forwardclientaddress = Row(
        Bool(),
        "false",
        Place.SIGNALLING,
        "The other side is shown the address that the client really has.",
        strict="false",
        in_force=True,
    )
    fs_restrictsiptolocal = Row(
        Enum(
            {
                0: "anywhere",
                1: "listed trunks",
                2: "listed and registered trunks",
                3: "this host only",
            }
        ),
        "0",
        Place.SIGNALLING,
        "From where internal SIP legs are taken: calls that no account makes, trunks' and unproven ones.",
        in_force=True,
        strict="3",
        see=("allownoauthcalls",),
    )
    blockearlymedia = Row(
        Bool(),
        "false",
        Place.MEDIA,
        "The caller hears nothing of the line before the answer. New calls only.",
        in_force=True,
    )
    blockearlymedia_in = Row(
        Bool(),
        "false",
        Place.MEDIA,
        "Nothing of what the caller sends is passed on before the answer. New calls only.",
        in_force=True,
    )


class SystemRows:
    """The system, the web and the API."""

    autofinetune = Row(
        Bool(),
        "true",
        Place.SYSTEM,
        "Limits follow the load of the machine: while datagrams wait longer than 50 ms for the office, unknown sources "
        "share less of the gate. Off: a constant service level.",
        strict=Strict("false", hint="for a constant service level"),
        in_force=True,
    )
    licensecfg = Row(
        Map(("calls", "registrations", "accounts")),
        "",
        Place.SYSTEM,
        "Ceilings of the whole appliance.",
        in_force=True,
    )
    calltraces = Row(
        Int(high=100_000, special={0: "none"}),
        "1000",
        Place.SYSTEM,
        "How many calls' SIP messages are remembered, in memory alone and without passwords and keys, for 'appliance "
        "calls trace'; a new number forgets what was remembered.",
        unit="calls",
        in_force=True,
        see=("hepserver",),
    )
    logformat = Row(
        Choice({"text": "a line of text", "json": "an object of JSON"}),
        "text",
        Place.SYSTEM,
        "What each line of the office's log is.",
        in_force=True,
    )
    hepserver = Row(
        Str(HEP_SERVER),
        "",
        Place.SYSTEM,
        "Homer server to which every SIP message is sent as HEP version 3 over UDP, without passwords and keys; empty: "
        "none.",
        in_force=True,
        see=("hepcaptureid", "heppassword"),
    )
    hepcaptureid = Row(
        Int(high=2**32 - 1),
        "2001",
        Place.SYSTEM,
        "Number by which the Homer server knows this appliance.",
        in_force=True,
        see=("hepserver",),
    )
    heppassword = Row(
        Secret(),
        "",
        Place.SYSTEM,
        "Authentication key that the Homer server asks for; empty: none is sent.",
        in_force=True,
        see=("hepserver",),
    )
    validateinput = Row(
        Enum({0: "no", 1: "basic", 2: "basic and SQL", 3: "normal", 4: "more", 5: "extreme"}),
        "3",
        Place.WEB,
        "How strictly input is checked on every interface. Queries are parameterised at every level.",
        strict=Strict("3", at_least=True),
        in_force=True,
    )
    httpapikey = Row(
        Secret(),
        "",
        Place.API,
        "Key that requests to the older entry point carry as authkey, when it is set.",
        strict=Strict("", hint="random"),
        generated=True,
        in_force=True,
    )
    apiv2key = Row(
        Secret(),
        "",
        Place.API,
        "Salt of the older entry point's salted hash (authmd5); without it that proof is closed.",
        strict=Strict("", hint="random"),
        generated=True,
        in_force=True,
    )
    serverapikey = Row(
        Secret(),
        "",
        Place.API,
        "Another key that is taken as authkey: of servers, and of clients that were provisioned.",
        strict=Strict("", hint="random"),
        generated=True,
        in_force=True,
    )
    apiv2ipauth = Row(
        ListOf(ADDRESS),
        "",
        Place.API,
        "Addresses and networks that the API serves; empty: all.",
        strict=Strict("", hint="set to your own addresses"),
        in_force=True,
    )
    apisipauth = Row(
        Enum({0: "the password for the web", 1: "the account's SIP digest"}),
        "1",
        Place.API,
        "How an account proves itself on the older entry point.",
        strict="1",
        in_force=True,
    )
    apidefneedlogin = Row(
        Enum({0: "nothing", 1: "login", 2: "login and key", 3: "login with the server's nonce"}),
        "1",
        Place.API,
        "What a request to the older entry point needs; what costs or moves something always needs a login.",
        strict="3",
        in_force=True,
    )
    apideftrustadmin = Row(
        Enum(
            {
                0: "the key alone",
                1: "a trusted address",
                2: "always the address alone",
                3: "always the password alone",
                4: "always both",
            }
        ),
        "1",
        Place.API,
        "What an administrator's request to the older entry point needs, beside the key where one is set. No address "
        "is trusted for it by trustauthip.",
        strict="4",
        in_force=True,
    )
    enablejsonp = Row(
        Enum({0: "off", 1: "same origin only", 2: "any origin"}),
        "1",
        Place.API,
        "To whom the older entry point gives JSONP answers.",
        strict=Strict("0", "1"),
        in_force=True,
    )
    allowhttpfileupload = Row(
        Bool(),
        "true",
        Place.WEB,
        "Files can be uploaded to the panel: rate decks and sheets of accounts. Off: only the command line imports.",
        strict="false",
        in_force=True,
    )
    remoteadmin = Row(
        Enum({0: "nowhere", 1: "through the tunnel or from trusted addresses", 2: "anywhere"}),
        "1",
        Place.WEB,
        "From where the administrators' part of the web and the console over TCP are reached, beside this machine "
        "itself, which always may. Until a first address is trusted, private networks may too. Over TCP the console is "
        "for trusted addresses alone, whatever is chosen here. On the image SSH goes by it too; with 0 as with 1.",
        strict=Strict("1", "0"),
        in_force=True,
        see=("allowtrustedip", "consoleport"),
    )

    consoleport = Row(
        Int(high=65_535, special={0: "off"}),
        "0",
        Place.SYSTEM,
        "TCP port of the administrators' console: lines of text, for this machine and trusted addresses. The name is "
        "ours. Taken up when the office starts.",
        strict="0",
        in_force=True,
        see=("remoteadmin", "allowtrustedip"),
    )
