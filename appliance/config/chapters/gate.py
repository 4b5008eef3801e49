"""Settings of the gate, of the counters that lead to bans, and of how long things may last."""

from appliance.config.fields import Bool, Enum, Int
from appliance.config.row import Place, Row, Strict
from appliance.config.scanners import AGENTS, AgentList
from appliance.config.textual import Duration, ListOf

COUNTED = (Place.NIC, Place.SIGNALLING)


class GateRows:
    """Floods, failures and bans."""

    maxnetworkspeed = Row(
        Int(special={0: "off"}),
        "800000",
        Place.NIC,
        "Most that each interface takes in, audio included. The default leaves room for headers on a gigabit port; "
        "on a 100 Mbit port use 80000.",
        unit="kbit/s",
        in_force=True,
    )
    maxsubsmmsgcount = Row(
        Int(low=1),
        "39000",
        COUNTED,
        "An address that sends more messages than this within the period is banned. It is also the depth of a known "
        "source's bucket at the NIC.",
        unit="messages",
        in_force=True,
        see=("maxsubsmmsgperiod", "banperiod"),
    )
    maxsubsmmsgperiod = Row(
        Duration(),
        "3m",
        COUNTED,
        "Period of the message count; a known source's bucket at the NIC refills within it.",
        unit="s",
        in_force=True,
        see=("maxsubsmmsgcount",),
    )
    maxwrongmsgallowed = Row(
        Int(low=1),
        "4000",
        COUNTED,
        "An address that sends more malformed or meaningless messages than this within the period is banned.",
        unit="messages",
        in_force=True,
        see=("maxwrongmsgperiod", "banperiod"),
    )
    maxwrongmsgperiod = Row(
        Duration(),
        "1h",
        COUNTED,
        "Period of the count of wrong messages.",
        unit="s",
        in_force=True,
        see=("maxwrongmsgallowed",),
    )
    maxwrongauthfromip = Row(
        Int(low=1),
        "2500",
        Place.SIGNALLING,
        "An address that sends more requests without usable credentials, or for users that do not exist, than this "
        "within the period is banned. A first request that is challenged and then answered correctly counts nowhere.",
        unit="requests",
        in_force=True,
        see=("maxsubfailauthperiod", "banperiod"),
    )
    maxfailedauthenabledipport = Row(
        Int(low=1),
        "50",
        Place.SIGNALLING,
        "An address:port from which more wrong passwords than this come within the period is banned. A wrong "
        "password is a wrong answer to a valid challenge.",
        unit="requests",
        in_force=True,
        strict=Strict("5"),
        see=("maxfailedauthenabledip", "maxsubfailauthperiod"),
    )
    maxfailedauthenabledip = Row(
        Int(low=1),
        "800",
        Place.SIGNALLING,
        "An address from which, over all its ports, more wrong passwords than this come within the period is banned.",
        unit="requests",
        in_force=True,
        strict=Strict("20"),
        see=("maxfailedauthenabledipport", "maxsubfailauthperiod"),
    )
    maxsubfailauthperiod = Row(
        Duration(),
        "1h",
        Place.SIGNALLING,
        "Period of the three counts of failed authentication.",
        unit="s",
        in_force=True,
        see=("maxwrongauthfromip", "maxfailedauthenabledipport", "maxfailedauthenabledip"),
    )
    reenabledosblocked = Row(
        Duration(),
        "6h",
        COUNTED,
        "What happened longer ago counts nowhere above, and a first automatic ban is lifted. The bans of those who "
        "come back to it last as banperiod says.",
        unit="s",
        in_force=True,
        see=("banperiod",),
    )
    banperiod = Row(
        Duration(),
        "6h",
        COUNTED,
        "Length of an automatic ban. Each repetition within banperiodmax doubles it, unless the address may be forged.",
        unit="s",
        in_force=True,
        see=("banperiodmax", "reenabledosblocked"),
    )
    banperiodmax = Row(Duration(), "7d", COUNTED, "Longest automatic ban.", unit="s", in_force=True, see=("banperiod",))
    fastauthsubswrongusermsg = Row(
        Int(low=1),
        "300",
        COUNTED,
        "An address that leaves more challenges than this unanswered within 90 seconds is banned, unless it may be "
        "forged and devices are registered behind it. After ten times as many from all addresses together the "
        "registrar asks strangers to come back later. It is also the depth of an unknown source's bucket at the NIC.",
        unit="messages",
        in_force=True,
    )
    maxstrangermsgpersec = Row(
        Int(low=1, high=1_000_000),
        "200",
        Place.NIC,
        "Messages that the gate takes from one unknown address in a second, challenges and their answers included; "
        "fifteen times as many at once.",
        unit="messages/s",
        in_force=True,
        strict=Strict("30"),
        see=("fastauthsubswrongusermsg",),
    )
    checkrtpaddr = Row(
        Enum(
            {
                0: "any source",
                1: "lock to the first source",
                2: "only sources announced in signalling",
            }
        ),
        "0",
        (Place.MEDIA, Place.NIC),
        "From which sources audio (RTP and RTCP) is let through. The announced one always may send first. With 0 and "
        "1 one that nobody announced must send some packets in order first; with 0 it gives way to the announced one. "
        "New calls only.",
        strict="2",
        in_force=True,
    )
    nicchallenge = Row(
        Bool(),
        "true",
        Place.NIC,
        "REGISTER and INVITE of unknown UDP sources are answered in the kernel with a challenge; only what brings its "
        "answer reaches the service. OPTIONS and keepalives of known sources are answered there too.",
        in_force=True,
        see=("fastauthsubswrongusermsg",),
    )
    blockua = Row(
        AgentList(),
        ",".join(AGENTS),
        COUNTED,
        "Requests of strangers whose User-Agent contains one of these, in any case, get no answer. Known scanners are "
        "listed from the start; they are also known by the shape of their messages when they change the name, unless "
        "this list is empty.",
        in_force=True,
    )
    decoyextensions = Row(
        ListOf(),
        "",
        Place.SIGNALLING,
        "User names and numbers that nobody has: whoever asks for one, or says to be one, is banned at once, if its "
        "address is proven (a connection, or an answer to a challenge).",
        in_force=True,
        see=("banperiod",),
    )


class DurationRows:
    """How long calls and sessions may last."""

    sessionabsolutetimeout = Row(
        Duration(),
        "12h",
        Place.SIGNALLING,
        "Longest that any session lasts: call, registration, TCP connection, web, API or console.",
        unit="s",
        in_force=True,
        see=("calltimeout",),
    )
    calltimeout = Row(
        Duration(),
        "4h",
        Place.SIGNALLING,
        "Longest that a call lasts; then the appliance hangs up.",
        unit="s",
        in_force=True,
        see=("sessionabsolutetimeout",),
    )
    mediatimeout = Row(
        Duration(),
        "5m",
        Place.SIGNALLING,
        "A call that carried no audio in either direction for so long is ended.",
        unit="s",
        in_force=True,
    )
    ringtimeout = Row(
        Duration(),
        "90s",
        Place.SIGNALLING,
        "A call that rings for so long without an answer is ended.",
        unit="s",
        in_force=True,
        see=("callinittimeout",),
    )
    callinittimeout = Row(
        Duration(),
        "30s",
        Place.SIGNALLING,
        "A call attempt that gets no provisional answer in so long goes to the next route, or is ended.",
        unit="s",
        in_force=True,
        see=("ringtimeout",),
    )
    sessiontimer = Row(
        Duration(),
        "30m",
        Place.SIGNALLING,
        "Session-Expires of RFC 4028: a call that is not refreshed in so long is ended.",
        unit="s",
        in_force=True,
    )
