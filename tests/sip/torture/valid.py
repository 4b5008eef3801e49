"""RFC 4475 section 3.1.1: messages that look odd and are right."""

from tests.sip.torture import Layer, Torture, message, sdp

WSINV = rb"""
INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 150
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \"\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

""" + sdp(3, 4)

INTMETH = (
    rb"""
!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0
Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~
To: "BEL:\{BEL} NUL:\{NUL} DEL:\{DEL}" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>
From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%="{WORKING}";tag=_token~1'+`*%!-.
Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{
CSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~
Max-Forwards: 255
extensionHeader-!.%*+_`'~:{BOM}{POWER CUT}
Content-Length: 0

""".replace(b"{BEL}", b"\x07")  # noqa: E501
    .replace(b"{NUL}", b"\x00")
    .replace(b"{DEL}", b"\x7f")
    .replace(b"{WORKING}", "работающий".encode())
    .replace(b"{BOM}{POWER CUT}", "\ufeff大停電".encode())
)

ESC01 = b"""
INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0
To: sip:%75se%72@example.com
From: <sip:I%20have%20spaces@example.net>;tag=938
Max-Forwards: 87
i: esc01.239409asdfakjkn23onasd0-3234
CSeq: 234234 INVITE
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bKkdjuw
C: application/sdp
Contact:
  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>
Content-Length: 150

""" + sdp(1)

ESCNULL = b"""
REGISTER sip:example.com SIP/2.0
To: sip:null-%00-null@example.com
From: sip:null-%00-null@example.com;tag=839923423
Max-Forwards: 70
Call-ID: escnull.39203ndfvkjdasfkq3w4otrq0adsfdfnavd
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
Contact: <sip:%00@host5.example.com>
Contact: <sip:%00%00@host5.example.com>
L:0

"""

ESC02 = b"""
RE%47IST%45R sip:registrar.example.com SIP/2.0
To: "%Z%45" <sip:resource@example.com>
From: "%Z%45" <sip:resource@example.com>;tag=f232jadfj23
Call-ID: esc02.asdfnqwo34rq23i34jrjasdcnl23nrlknsdf
Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK209%fzsnel234
CSeq: 29344 RE%47IST%45R
Max-Forwards: 70
Contact: <sip:alias1@host1.example.com>
C%6Fntact: <sip:alias2@host2.example.com>
Contact: <sip:alias3@host3.example.com>
l: 0

"""

LWSDISP = b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: caller<sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID: lwsdisp.1234abcd@funky.example.com
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP funky.example.com;branch=z9hG4bKkdjuw
l: 0

"""

_CALLER = b"amazinglylongcallername" * 5
_VIA_SPELLINGS = b"Via|v|V|Via|ViA|VIa|VIA|via|viA|vIa|vIA|V |v |V  |v  |Via |Via  ".split(b"|")


def _vias() -> bytes:
    names = _VIA_SPELLINGS + [b"Via"] * (33 - len(_VIA_SPELLINGS))
    lines = [
        b"%b: %bSIP/2.0/TCP sip%d.example.com\n" % (name, b" " if name in (b"V ", b"v ") else b"", 33 - index)
        for index, name in enumerate(names)
    ]
    return b"".join(lines)


LONGREQ = (
    b"""
INVITE sip:user@example.com SIP/2.0
To: "I have a user name of %(extreme)b proportion"<sip:user@example.com:6000;unknownparam1=very%(long20)bvalue;longparam%(name25)b=shortvalue;very%(long25)bParameterNameWithNoValue>
F: sip:%(caller)b@example.net;tag=12%(tag)b424;unknownheaderparam%(name20)b=unknowheaderparam%(value)b;unknownValueless%(paramname)b
Call-ID: longreq.one%(really)blongcallid
CSeq: 3882340 INVITE
Unknown-%(Long)b-Name: unknown-%(long20)b-value; unknown-%(long20)b-parameter-name = unknown-%(long20)b-parameter-value
%(vias)bVia: SIP/2.0/TCP host.example.com;received=192.0.2.5;branch=very%(long50)bbranchvalue
Max-Forwards: 70
Contact: <sip:%(caller)b@host5.example.net>
Content-Type: application/sdp
l: 150

"""  # noqa: E501
    % {
        b"extreme": b"extreme" * 10,
        b"long20": b"long" * 20,
        b"name25": b"name" * 25,
        b"long25": b"long" * 25,
        b"caller": _CALLER,
        b"tag": b"982" * 50,
        b"name20": b"name" * 20,
        b"value": b"value" * 15,
        b"paramname": b"paramname" * 10,
        b"really": b"really" * 20,
        b"Long": b"Long" * 20,
        b"vias": _vias(),
        b"long50": b"long" * 50,
    }
    + sdp(1)
)

DBLREQ = (
    b"""
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=43251j3j324
Max-Forwards: 8
I: dblreq.0ha0isndaksdj99sdfafnl3lk233412
Contact: sip:j.user@host.example.com
CSeq: 8 REGISTER
Via: SIP/2.0/UDP 192.0.2.125;branch=z9hG4bKkdjuw23492
Content-Length: 0


INVITE sip:joe@example.com SIP/2.0
t: sip:joe@example.com
From: sip:caller@example.net;tag=141334
Max-Forwards: 8
Call-ID: dblreq.0ha0isnda977644900765@192.0.2.15
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234
Content-Type: application/sdp
Content-Length: 150

"""
    + sdp(15).replace(b"m=video", b"m =video")
    + b"\n"
)

SEMIURI = b"""
OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Call-ID: semiuri.0ha0isndaksdj
CSeq: 8 OPTIONS
Accept: application/sdp, application/pkcs7-mime,
        multipart/mixed, multipart/signed,
        message/sip, message/sipfrag
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKkdjuw
l: 0

"""

TRANSPORTS = b"""
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: <sip:caller@example.com>;tag=323
Max-Forwards: 70
Call-ID:  transports.kijh4akdnaqjkwendsasfdj
Accept: application/sdp
CSeq: 60 OPTIONS
Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKkdjuw
Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf
Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj
Via: SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en
Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee
l: 0

"""

UNREASON = (
    """
SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Call-ID: unreason.1234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host198.example.com>

""".encode()
    + sdp(198)
)

NOREASON = b"""
SIP/2.0 100\x20
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: noreason.asndj203insdf99223ndf
CSeq: 35 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>

"""

# The RFC signs this message and appends the signature; here stand all 256 octets instead, blank lines among them.
_NOT_TEXT = bytes(range(256)) + b"\r\n\r\nINVITE sip:not.a.message@example.com SIP/2.0\r\n"

_MPART01_BODY = (
    message(
        b"""
--7a9cbec02ceef655
Content-Type: text/plain
Content-Transfer-Encoding: binary

Hello
--7a9cbec02ceef655
Content-Type: application/octet-stream
Content-Transfer-Encoding: binary

"""
    )
    + _NOT_TEXT
    + b"\r\n--7a9cbec02ceef655--\r\n"
)

MPART01 = (
    message(
        b"""
MESSAGE sip:kumiko@example.org SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-d87543-4dade06d0bdb11ee-1--d87543-;rport
Max-Forwards: 70
Route: <sip:127.0.0.1:5080>
Identity: r5mwreLuyDRYBi/0TiPwEsY3rEVsk/G2WxhgTV1PF7hHuLIK0YWVKZhKv9Mj8UeXqkMVbnVq37CD+813gvYjcBUaZngQmXc9WNZSDNGCzA+fWl9MEUHWIZo1CeJebdY/XlgKeTa0Olvq0rt70Q5jiSfbqMJmQFteeivUhkMWYUA=
Contact: <sip:fluffy@127.0.0.1:5070>
To: <sip:kumiko@example.org>
From: <sip:fluffy@example.com>;tag=2fb0dcc9
Call-ID: 3d9485ad0c49859b@Zmx1ZmZ5LW1hYy0xNi5sb2NhbA..
CSeq: 1 MESSAGE
Content-Transfer-Encoding: binary
Content-Type: multipart/mixed;boundary=7a9cbec02ceef655
Date: Sat, 15 Oct 2005 04:44:56 GMT
User-Agent: SIPimp.org/0.2.5 (curses)
Content-Length: %d

"""  # noqa: E501
        % len(_MPART01_BODY)
    )
    + _MPART01_BODY
)


def _valid(name: str, number: int, text: bytes, layer: Layer = Layer.NONE, status: int | None = None) -> Torture:
    return Torture(name, f"3.1.1.{number}", layer, status, message(text))


VALID = (
    _valid("wsinv", 1, WSINV),
    _valid("intmeth", 2, INTMETH, Layer.APPLICATION, 501),
    _valid("esc01", 3, ESC01),
    _valid("escnull", 4, ESCNULL),
    _valid("esc02", 5, ESC02, Layer.APPLICATION, 501),
    _valid("lwsdisp", 6, LWSDISP),
    _valid("longreq", 7, LONGREQ),
    _valid("dblreq", 8, DBLREQ),
    _valid("semiuri", 9, SEMIURI),
    _valid("transports", 10, TRANSPORTS),
    Torture("mpart01", "3.1.1.11", Layer.NONE, None, MPART01),
    _valid("unreason", 12, UNREASON),
    _valid("noreason", 13, NOREASON),
)
