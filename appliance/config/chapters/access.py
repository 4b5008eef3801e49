"""Settings of encrypted transport, of authentication and of whom the appliance trusts."""

from appliance.config.fields import Bool, Enum, Int, Port
from appliance.config.row import Place, Row, Scope, Strict
from appliance.config.textual import DIGITS, DOMAIN, ENDPOINT, Duration, ListOf, Secret, Str, Url


class TransportRows:
    """Transport, names and TLS."""

    usetls = Row(
        Bool(),
        "true",
        Place.TRANSPORT,
        "SIP over TLS (SIPS) is offered.",
        strict="true",
        in_force=True,
        see=("localtlsport", "usetlsforall"),
    )
    encv2_usetls = Row(Bool(), "true", Place.TRANSPORT, "The VoIP tunnel runs over TLS.", strict="true")
    usetlsforweb = Row(
        Bool(),
        "true",
        Place.WEB,
        "The portal is served over TLS alone. Off: also in the clear at localhttpport, where forcetls is 0.",
        strict="true",
        in_force=True,
        see=("usetlsforall", "localhttpport", "forcetls"),
    )
    usetlsforall = Row(
        Bool(),
        "true",
        Place.TRANSPORT,
        "One switch for TLS on all four services: unified port, web, tunnel and SIPS. Off: each has its own.",
        strict="true",
        in_force=True,
        see=("usetls", "usetlsforweb", "encv2_usetls"),
    )
    forcetls = Row(
        Enum(
            {
                0: "never",
                1: "pages are redirected",
                2: "every HTTP request is redirected",
                3: "also HSTS, and no plain listener",
            }
        ),
        "1",
        Place.WEB,
        "How http is turned into https at localhttpport. The panel is never served in the clear.",
        strict="2",
        in_force=True,
        see=("localhttpport", "usetlsforweb"),
    )
    localtlsport = Row(
        Port(), "5061", Place.TRANSPORT, "Port of SIP over TLS: 1024 or more.", in_force=True, see=("usetls",)
    )
    localhttpport = Row(
        Int(low=0, high=65535, special={0: "off"}),
        "0",
        Place.WEB,
        "Port of the plain HTTP listener, which redirects to https (forcetls). Below 1024 the system must allow it: "
        "net.ipv4.ip_unprivileged_port_start.",
        in_force=True,
        strict="0",
        see=("forcetls",),
    )
    sslcertpwd = Row(
        Secret(),
        "",
        Place.TRANSPORT,
        "Passphrase of the certificate's private key, when it has one.",
        in_force=True,
    )
    localdomain = Row(
        Str(DOMAIN),
        "",
        Place.TRANSPORT,
        "DNS name of this appliance: SIP realm, certificate and links. Empty: its address. Passwords are stored for "
        "one realm, so set it before accounts are made.",
        in_force=True,
        see=("cfg_baseurl",),
    )
    cfg_baseurl = Row(
        Url(),
        "",
        Place.WEB,
        "Address of the portal in links and redirects. A host of its own, other than localdomain, serves no panel.",
        in_force=True,
        see=("localdomain",),
    )


class AuthenticationRows:
    """Who may come in, and how that is proved."""

    needauth = Row(
        Enum(
            {
                0: "nothing (refused unless allownoauthcalls, and never with enforcestrongauth)",
                1: "address",
                2: "tech prefix",
                3: "address and tech prefix",
                4: "user name and password",
                5: "user name only",
                6: "address and port",
                7: "address and user name",
                8: "address, user name and password",
                9: "address range",
                10: "address range, user name and password",
            }
        ),
        "4",
        Place.AUTH,
        "What the account's registrations and calls must show. The panel calls it AuthType. Against forged source "
        "addresses prefer 3 to 1. Two accounts whose address and tech prefix coincide are refused.",
        scope=Scope.USER,
        in_force=True,
        see=("authip", "techprefix"),
        aliases=("authtype",),
    )
    authip = Row(
        ListOf(ENDPOINT),
        "",
        Place.AUTH,
        "Addresses, networks or names from which the account comes, for the kinds of authentication that look at "
        "them; with ports for needauth 6, networks for 9 and 10.",
        scope=Scope.USER,
        in_force=True,
        see=("needauth",),
    )
    authpin = Row(
        Secret(DIGITS),
        "",
        Place.AUTH,
        "PIN of a calling card. It is made by 'accounts add --type calling_card' and 'accounts set --pin generated', "
        "printed once and kept hashed; a text here is the PIN of nobody.",
        scope=Scope.USER,
        in_force=True,
        see=("pinlength", "callingcardauth"),
    )
    techprefix = Row(
        Str(DIGITS),
        "",
        Place.AUTH,
        "Digits that must be dialled first with needauth 2 and 3; removed before the call is routed.",
        scope=Scope.USER,
        in_force=True,
        see=("needauth",),
    )
    cacheregistrations = Row(
        Duration("off"),
        "0",
        Place.AUTH,
        "For so long a device that has logged in is believed without a new challenge when it repeats its registration "
        "from the same address and port; in the first half of what it was granted the NIC answers. It ends with a "
        "changed or locked account, a wrong password for it, a ban, and a removed registration.",
        unit="s",
        in_force=True,
    )
    authfastusers = Row(
        Bool(),
        "true",
        Place.AUTH,
        "A device that cacheregistrations believes is challenged again when that time is over, like others. Off, one "
        "that comes back in time is believed on, until sessionabsolutetimeout.",
        in_force=True,
        strict="true",
        see=("cacheregistrations", "sessionabsolutetimeout"),
    )
    enforcestrongauth = Row(
        Bool(),
        "true",
        Place.AUTH,
        "Every password that devices use is checked again from time to time. Of a weak one its owner and the "
        "administrators are told; after passwordgrace a random one takes its place, and for as long again devices "
        "that are registered may go on with the former one.",
        strict="true",
        in_force=True,
        see=("passwordgrace", "passwordsweep", "validatepassword"),
    )
    passwordgrace = Row(
        Duration(),
        "7d",
        Place.AUTH,
        "Time from the warning of a weak password to its replacement, and from there until registered devices need "
        "the new one.",
        unit="s",
        in_force=True,
        see=("enforcestrongauth",),
    )
    passwordsweep = Row(
        Duration(),
        "1d",
        Place.AUTH,
        "Every password is checked again so long after its last check.",
        unit="s",
        in_force=True,
        see=("enforcestrongauth",),
    )
    securepasswords = Row(
        Enum(
            {
                0: "as entered, beside the hashes",
                1: "hashed (HA1 for digest, Argon2 for the web)",
                2: "also encrypted, under a key outside the database",
            }
        ),
        "1",
        Place.AUTH,
        "How passwords are kept; with 2 every other secret of the database is encrypted as well, and its key, "
        "secrets.key beside the database, needs a backup of its own. With 0 passwords can be shown again and follow a "
        "new localdomain. Changes convert what is stored.",
        strict=Strict("1", "2"),
        in_force=True,
        see=("localdomain", "validatepassword"),
        warns=lambda level: "whoever gets the database can read every password" if level == 0 else "",
    )
    minpwdlength = Row(
        Int(1, 64),
        "4",
        Place.AUTH,
        "Shortest password that is taken, unless validatepassword is 0.",
        unit="characters",
        strict=Strict("8", at_least=True),
        in_force=True,
        see=("validatepassword",),
    )
    validatepassword = Row(
        Enum({0: "no", 1: "length", 2: "strength (estimated; no dictionary word, not the user name)"}),
        "1",
        Place.AUTH,
        "What a new password of an account is checked for. With 2 it may not hold the account's name, numbers, display "
        "name or mail address either.",
        strict="2",
        in_force=True,
        see=("minpwdlength",),
    )
    uauthverifypwd = Row(
        Bool(),
        "false",
        Place.AUTH,
        "Outside digest a password is also taken with white space around it, with the case of its first letter "
        "changed, and with the case of all letters changed, as keyboards of old devices do.",
        strict="false",
        in_force=True,
    )
    autocreatereguserstrict = Row(
        Bool(),
        "true",
        Place.AUTH,
        "A REGISTER of an unknown user never makes an account. Off, one from a trusted address does: bound to that "
        "address, without money, for calls to users of this server alone.",
        in_force=True,
        strict="true",
        see=("allowtrustedip",),
    )
    allownoauthcalls = Row(
        Bool(),
        "false",
        Place.AUTH,
        "Calls that prove nothing are taken from trusted addresses. They reach users of this server alone.",
        in_force=True,
        strict="false",
        see=("allowtrustedip", "needauth"),
    )
    allowanonymouscaller = Row(
        Bool(),
        "false",
        Place.AUTH,
        "Calls are taken whose caller hides (RFC 3323), with no account and no identity that a trunk asserts.",
        in_force=True,
        strict="false",
    )


class TrustRows:
    """Trusted addresses."""

    allowtrustedip = Row(
        Enum(
            {
                0: "nowhere",
                1: "this host",
                2: "private ranges",
                3: "listed addresses",
                4: "everywhere, the administrators' console included",
            }
        ),
        "3",
        Place.AUTH,
        "Where trusted addresses are honoured. With 4 the panel does not make one wait after wrong passwords.",
        in_force=True,
        strict="1",
        see=("trustlanip", "trustsubnet", "trustauthip", "allownoauthcalls"),
    )
    trustlanip = Row(
        Bool(),
        "false",
        Place.AUTH,
        "Private address ranges are trusted.",
        in_force=True,
        strict="false",
        see=("allowtrustedip",),
    )
    trustsubnet = Row(
        Bool(),
        "false",
        Place.AUTH,
        "An address of the allow list makes its whole subnet trusted (IPv4: /24, IPv6: /64).",
        in_force=True,
        strict="false",
        see=("allowtrustedip",),
    )
    trustauthip = Row(
        Bool(),
        "false",
        Place.AUTH,
        "An address from which somebody proved a password within the hour is trusted. Nobody administers by that.",
        in_force=True,
        strict="false",
        see=("allowtrustedip",),
    )
    treatusersasknownip = Row(
        Bool(),
        "false",
        Place.AUTH,
        "The whole address of a user who proves a password is known to the gate for an hour. Otherwise only the device "
        "is, by address and port, so that others behind that address gain nothing; over TCP the address always is.",
        in_force=True,
        strict="false",
    )
