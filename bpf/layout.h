/* What the maps hold: the only declaration of keys, values, sizes and slots.
 *
 * Python derives its types from the compiled program, so nothing here is said twice. Ports and addresses stand as
 * they do on the wire (network order); everything else in the machine's order. Structs have no hidden padding.
 * LAYOUT_VERSION names the pins: raise it when the meaning of a field changes and its size does not.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#define LAYOUT_VERSION 1

#define MAX_BANS 1048576      /* single addresses that are banned */
#define MAX_ADDRESSES 262144 /* single addresses that are allowed or known */
#define MAX_PAIRS 262144     /* single devices, by address and port */
#define MAX_NETWORKS 16384   /* networks, likewise */
#define MAX_BUCKETS 262144   /* sources whose rate is remembered; the longest silent one makes room */
#define MAX_STREAMS 65536    /* media streams: four to a call with RTCP on its own port */
#define MAX_LEASES 32768     /* media sessions */
#define MAX_SERVICE_PORTS 64
#define MAX_PATHS 256        /* interfaces a packet may leave by */
#define MAX_STAGES 16        /* programs a packet may be handed on to */
#define SHARED_BUCKETS 4     /* enum shared_bucket */
#define MAX_SPEEDS 1024      /* interfaces, by the lower bits of their number; a power of two */
#define MAX_FRAGMENTS 65536  /* fragmented datagrams whose first fragment is remembered */
#define MAX_OFFENDERS 65536  /* sources whose messages are counted; the longest silent one makes room */
#define OFFENCES_BYTES 524288  /* of the ring: some 1,600 records */
#define SAMPLES_BYTES 1048576  /* of the ring: some 3,600 records */
#define EVIDENCE_BYTES 256     /* of a frame that a record keeps */
#define MAX_REFRESHES 65536  /* registrations whose repetition is answered here */

enum verdict {
	VERDICT_NONE = 0, /* not decided yet */
#define VERDICT(name, action, text) VERDICT_##name,
#include "verdicts.def"
#undef VERDICT
	VERDICTS,
};

enum limit {
#define LIMIT(slot, unit, standard, text) LIMIT_##slot,
#include "limits.def"
#undef LIMIT
	LIMITS,
};

enum rule {
	RULE_NONE = 0,
#define RULE(setting, text) RULE_##setting,
#include "rules.def"
#undef RULE
	RULES,
};

/* What becomes of a packet that a rule would end: DROP as the verdict says, REPORT: counted, and judged on. */
enum mode { MODE_ACT = 0, MODE_REPORT = 1 };

#define MODES ((VERDICTS + 7) / 8 * 8)

#define NONCE_KEYS 4
#define ANSWER_STATUS 64
#define ANSWER_REST 384
#define ANSWERS 8 /* the next power of two */

/* What is ready of an answer: its status line, and all that follows CSeq. */
struct answer_text {
	u16 status_bytes;
	u16 rest_bytes;
	u16 lean_bytes; /* of `rest`, when Server has no room; an empty line then follows */
	u16 nonce_at;   /* in `rest`; 0: no nonce */
	u8 status[ANSWER_STATUS];
	u8 rest[ANSWER_REST];
};

enum answer {
	ANSWER_unauthorized = 0,
	ANSWER_unauthorized_stale = 1,
	ANSWER_proxy = 2,
	ANSWER_proxy_stale = 3,
	ANSWER_options = 4,
	ANSWER_unavailable = 5,
	ANSWER_registered = 6,
};

/* bcc gets arrays of arrays wrong: it leaves one of the two lengths out. */
struct key128 {
	u64 word[2];
};

/* The stateless SIP challenge; see nonce.h. Keys as the machine reads them from their bytes. */
struct challenge {
	struct key128 keys[NONCE_KEYS]; /* by epoch */
	u64 tag_key[2];
	u64 boot_ns;             /* Unix time in ns at which CLOCK_MONOTONIC was 0 */
	u32 epoch_s;
	u32 ttl_s;
	u32 enabled;
	u32 zero;
	struct answer_text answers[ANSWERS];
};

/* All that a packet is judged by beside the tables. There are two of them; see policy.c. */
struct policy {
	u64 generation;
	u64 limits[LIMITS];
	u16 relay_first; /* media range, in the machine's order; 0 to 0: none */
	u16 relay_last;
	u32 relay_here; /* 1: this program relays; 0: userspace does, and media passes */
	u8 modes[MODES]; /* by verdict */
	struct challenge challenge;
};

/* The service's last sign of life, and how long a datagram waits for it; at_ns 0: it has never given one. */
struct pulse {
	u64 at_ns;
	u64 delay_ns;
};

/* Programs that a packet may be handed on to, by their place in `stages`. Each is a function of the same name; one that
 * does not exist is not installed, and the walk goes on without it. */
enum stage {
	STAGE_read = 0,
	STAGE_lines = 1,
	STAGE_check = 2,
	STAGE_decide = 3,
	STAGE_write = 4,
	STAGE_answer = 5,
	STAGE_scan = 6,
};

/* IPv6, or IPv4 mapped into it (RFC 4291 2.5.5.2). */
struct address {
	u32 word[4];
};

struct endpoint {
	struct address ip;
	u16 port;
	u16 zero;
};

struct network {
	u32 prefix_bits; /* an IPv4 /24 is 120 */
	struct address ip;
};

/* `until_ns` is on CLOCK_MONOTONIC; 0: no end. `prefix_bits` repeats the key's, so that a lookup that met an expired
 * network can go on with the next wider one. */
struct ban {
	u64 until_ns;
	u32 prefix_bits;
	u32 flags;
};

#define BAN_SPARES_KNOWN 1  /* devices that are known go on working */
#define BAN_SPARES_PROVEN 2 /* while strangers are challenged, only datagrams that prove nothing are kept out: others forged it */

/* One device by address and port. Both are instants of CLOCK_MONOTONIC; 0: not; ~0: no end. A ban comes first. */
struct pair {
	u64 known_until_ns;
	u64 banned_until_ns;
};

enum pair_state { PAIR_NONE = 0, PAIR_KNOWN = 1, PAIR_BANNED = 2 };

/* All bits of a key: port and protocol, which a rule always names (0 and 0: every port), and the address. */
#define FIREWALL_KEY_BITS 160

struct firewall_key {
	u32 prefix_bits;
	u16 port;
	u16 protocol; /* PROTOCOL_UDP or PROTOCOL_TCP, in the machine's order */
	struct address ip;
};

/* ALLOW: neither ban nor bucket; PASS: no rule, list or country stands in the way, bans and buckets do. */
enum firewall_action { FIREWALL_NOTHING = 0, FIREWALL_ALLOW = 1, FIREWALL_DENY = 2, FIREWALL_PASS = 3 };

struct firewall_rule {
	u32 action;
	u32 prefix_bits; /* of the rule's network */
};

#define MAX_LISTS 16 /* imported lists and sets of countries, one that is being loaded included */

/* One bit for each slot of a list: who is on it is kept out, or who is on none of country_allow. */
struct listing {
	u32 ban;
	u32 country_deny;
	u32 country_allow;
	u32 zero;
};

/* What the keeper must know of a list when it starts again on pinned maps; packets do not look here. */
struct list {
	u8 name[64];
	u8 digest[64];
	u32 entries;
	u32 kind;
	u32 complete; /* 0: a keeper is loading it, or died over it */
	u32 zero;
};

enum source_class { SOURCE_STRANGER = 0, SOURCE_KNOWN = 1, SOURCE_ALLOWED = 2 };

struct source {
	u64 until_ns;
	u32 prefix_bits;
	u32 class;
};

/* What a bucket is for; PAIR has the device's port in its upper half. */
enum bucket_lane {
	LANE_STRANGER = 0,
	LANE_KNOWN = 1,
	LANE_PAIR = 2,
	LANE_GUARD = 3,
	LANE_CONNECT = 4,
	LANE_TCP = 5,
	LANE_PASS = 6,
};

/* Buckets that all unknown sources share. They have rows of their own: among those of single sources, which make room for
 * one another, a flood from ever new addresses would throw them out, and the next packet find a full one. */
enum shared_bucket { SHARED_BUDGET = 0, SHARED_FRAGMENT = 1, SHARED_ODD = 2, SHARED_PROVEN = 3 };

struct bucket_key {
	struct address ip; /* IPv6: its /64, but for PAIR */
	u32 lane;
};

struct fragment_key {
	struct address source;
	struct address target;
	u32 id;
	u32 protocol;
};

/* What became of a datagram's first fragment. */
struct fragment_row {
	u64 at_ns;
	u32 later; /* fragments that have followed it */
	u16 passed;
	u16 pair; /* enum pair_state: the first one knew the port */
};

/* The instant at which the bucket is full again; see bucket.h. */
struct bucket {
	u64 full_ns;
};

struct service_port {
	u16 port;
	u16 protocol; /* PROTOCOL_UDP or PROTOCOL_TCP, in the machine's order */
};

#define STREAM_LEARN 1           /* a source that nobody announced may become the remote (RFC 4961) */
#define STREAM_RTCP 2            /* RTCP only; without it, RTP and RTCP on one port (RFC 5761) */
#define STREAM_HAS_REMOTE 4      /* `remote` is announced */
#define STREAM_HAS_PEER_REMOTE 8 /* `peer_remote` is announced */
#define STREAM_ANY_PAYLOAD 16    /* every payload type may pass */
#define STREAM_HAS_NEAR 32       /* `near` is known */
#define STREAM_LEARN_FAR 64      /* one at neither the announced nor the near address may, too */
#define STREAM_FINAL 128         /* whoever was learned keeps the lock, even against the announced one */
#define STREAM_MUTED 256         /* nothing is passed on */
#define STREAM_DTLS 512          /* DTLS handshakes pass (RFC 5764) */
#define STREAM_MANY 1024         /* several SSRCs share the stream: all may pass, at any sequence */
#define STREAM_OFFICE 2048       /* the other side is the office itself: what may pass goes to its socket */

/* What the office wants of one stream; keyed by the appliance's own endpoint. Written by the keeper alone. */
struct stream {
	u64 session;
	u64 payload_types[2]; /* bit n: payload type n may pass */
	u64 interval_ns;      /* in which its bucket of `burst` packets gains one; 0: as rtp_interval and rtp_burst say */
	u64 burst;
	struct endpoint remote;
	struct endpoint peer;        /* the other side's key here, and the source that the other side sees */
	struct endpoint peer_remote; /* what the other side announced */
	u32 remote_mark;             /* changes with `remote`: what was learned under another mark is void */
	u32 peer_mark;
	u32 flags;
	struct address near; /* where its signalling comes from */
	u32 packet_bytes;    /* of the longest RTP packet; 0: no limit of its own */
	u32 zero;
};

/* How to reach an endpoint on the link: the first twelve bytes of a frame to it, and its VLAN tags as they stand. */
struct hop {
	u8 macs[12];
	u32 tags[2];
	u32 tag_count;
	u32 ifindex;
};

#define LOCK_OPEN 0
#define LOCK_CLAIMED 1   /* a CPU is writing `source` */
#define LOCK_LEARNED 2   /* `source` came first */
#define LOCK_ANNOUNCED 3 /* `source` is the one announced: final */

/* How well a source is known that nobody has locked in yet. */
enum rank { RANK_NONE = 0, RANK_FAR = 1, RANK_NEAR = 2, RANK_ANNOUNCED = 3 };

/* Who has sent some packets in order and may be believed after some more. `run` 0: nobody. */
struct newcomer {
	u64 since_ns;
	u64 last_ns;
	struct endpoint source;
	u32 ssrc;
	u16 next; /* the sequence that goes on in order */
	u16 run;  /* packets so far */
	u32 rank;
};

/* What the kernel knows of one stream; same key. Written here alone, so that no renewal undoes a count. */
struct stream_state {
	u64 packets; /* relayed */
	u64 bytes;   /* relayed, whole frames as they arrived */
	u64 dropped;
	u64 last_ns; /* of the last one relayed; 0: none */
	u64 lock;
	u64 full_ns; /* the stream's bucket */
	u64 ssrc_full_ns;
	u64 dtls_full_ns;
	u64 heard_ns; /* of the last RTP that was the stream's own, passed on or not; 0: it has no SSRC yet */
	struct newcomer newcomer;
	struct endpoint source;
	u32 mark; /* the row's remote_mark under which `source` was learned */
	struct hop hop;
	u32 ssrc;
	u32 ssrc_before; /* the one that it took the place of; 0: none */
	u16 highest;     /* sequence */
	u16 zero;
};

/* An interface a packet may leave by: itself, or for a VLAN interface the one below with its tags. */
struct path {
	u32 ifindex;
	u32 tag_count;
	u32 tags[2];
};

/* What the rest of the walk needs to know of a frame. It lies in a map and not on the stack: the verifier then forgets by
 * which of many ways a field got its value, and the walk stays within what it will follow. Lengths in bytes. */
struct packet {
	u64 now_ns; /* read when it is first needed; see packet_now() */
	struct address source;
	struct address target;
	u32 tags[2];
	u32 tag_count;
	u32 ifindex;       /* on which it arrived */
	u32 offset;        /* of the transport header from the frame's start */
	u32 left;          /* from the transport header to the end of the IP packet */
	u32 payload_bytes; /* of UDP */
	u32 flow;          /* IPv6 traffic class and flow label; from IPv4 its TOS in the same place */
	u16 source_port;
	u16 target_port;
	u16 ip4_id;
	u8 ip4_keep; /* 1: arrived as IPv4 with its don't-fragment bit clear */
	u8 hops;
	u8 protocol;
	u8 fragment;
	u8 class; /* enum source_class */
	u8 pair;  /* enum pair_state */
	u8 connects; /* 1: a TCP packet that opens a connection */
	u8 group; /* 1: to a multicast or broadcast address, on the link or of IP */
	u16 suspect; /* the verdict of a ban that holds for what proves nothing; 0: none */
	u32 fragment_id; /* as it stands in the packet */
	u32 policy; /* slot of the policy that this packet is judged by */
	u32 bytes;  /* of the whole frame */
	u32 verdict; /* what a stage is about to return, if it knows already: an offence says it */
	u32 over;    /* what ends it when `slip` is set and there is no answer */
	u16 sniffed; /* the verdict that its first bytes earn, when it is handed on to be read */
	u8 slip;     /* 1: over its limit, and due a 503 */
	u8 proven;   /* 1: brought a valid nonce: the source's address is its own */
};

/* What one source did on service ports; IPv6: its /64. Each figure that has a limit is of the window that began at the
 * instant behind it; `dropped` is of all the time since `since_ns`. */
struct offender {
	u64 since_ns;
	u64 last_ns;
	u64 messages;
	u64 messages_since_ns;
	u64 wrong;
	u64 wrong_since_ns;
	u64 unauthenticated;
	u64 unauthenticated_since_ns;
	u64 dropped;
};

/* A source passed the limit of a rule: `count` packets since `since_ns`. `kept` bytes of `frame` are the packet's. */
struct offence {
	u64 since_ns;
	u64 at_ns;
	u64 count;
	struct endpoint source;
	u32 rule;
	u32 verdict; /* VERDICT_NONE: the packet was judged on */
	u32 kept;
	u8 frame[EVIDENCE_BYTES];
};

/* A dropped packet of `bytes` bytes. */
struct sample {
	u64 at_ns;
	u32 verdict;
	u32 ifindex;
	u32 bytes;
	u32 kept;
	u8 frame[EVIDENCE_BYTES];
};

enum loss { LOSS_OFFENCE = 0, LOSS_SAMPLE = 1, LOSSES };

/* One datagram, for the checksum of IPv6: packet memory takes no length that is known only at run time. */
struct scratch {
	u32 word[512];
};

enum shape_place {
#define SHAPE(name, text) SHAPE_PLACE_##name,
#include "shapes.def"
#undef SHAPE
};

enum shape {
#define SHAPE(name, text) SHAPE_##name = 1 << SHAPE_PLACE_##name,
#include "shapes.def"
#undef SHAPE
};

#define SCANNER_STATES 1024
#define SCANNER_CLASSES 64
#define SCANNER_ROWS 131072 /* two bytes for each state and class */
#define SCANNER_PRINTS 16
#define SCANNER_TEXT 4096

/* A scanner's shape: every mark of `shapes` is there and, unless `order` is 0, the first headers stand in that order. */
struct fingerprint {
	u64 order;
	u64 shapes; /* 0: no fingerprint here */
};

/* How scanners are known. `rows` is an automaton: u16 by state and class, where the next state's row begins; the last
 * state is a match. `text` is for the keeper, which finds there what the automaton was made of. */
struct scanners {
	struct fingerprint prints[SCANNER_PRINTS];
	u32 agents; /* patterns in the automaton; 0: User-Agents are not looked at */
	u32 zero;
	u8 classes[256];
	u8 rows[SCANNER_ROWS];
	u8 text[SCANNER_TEXT];
};

/* A registration from one source. `mark` is a hash of what its REGISTER says in To, Contact and Expires. */
struct refresh_key {
	struct address ip;
	u16 port;
	u16 zero;
	u32 zero2;
	u64 mark;
};

#define REFRESH_CONTACT 256

/* What is answered to its repetition until `until_ns`: `contact`, then the seconds that are left to `expires_ns`. */
struct refresh {
	u64 until_ns;
	u64 expires_ns;
	u32 contact_bytes;
	u32 zero;
	u8 contact[REFRESH_CONTACT];
};

#define MESSAGE_BYTES 2048
#define MESSAGE_MASK 2047
#define MESSAGE_SLACK 64 /* what may be read or written past a place in the message */
#define MAX_VIAS 8
#define MAX_CREDENTIALS 4
#define ORDERED_HEADERS 8

/* Headers that are told apart. HEADERS: the next power of two. */
enum header {
	HEADER_OTHER = 0,
	HEADER_VIA = 1,
	HEADER_FROM = 2,
	HEADER_TO = 3,
	HEADER_CALL_ID = 4,
	HEADER_CSEQ = 5,
	HEADER_CONTACT = 6,
	HEADER_EXPIRES = 7,
	HEADER_REQUIRE = 8,
	HEADER_USER_AGENT = 9,
	HEADER_CREDENTIALS = 10,
	HEADERS = 16,
};

/* A SIP request while it is read, and the answer while it is written. Places and lengths are in bytes of `message`; those
 * of a header are of its first line, CRLF included, and 0 when there is none. All from `mask` on is zero to begin with. */
struct reading {
	u8 message[MESSAGE_BYTES + MESSAGE_SLACK];
	u8 answer[MESSAGE_BYTES + MESSAGE_SLACK];
	u64 controls[32]; /* control characters: one bit for each byte */
	u64 hash[4];      /* SipHash at work */
	u64 mask;         /* what is left to look at in the chunk in hand */
	u64 order;        /* of the first ORDERED_HEADERS headers; see order_add() */
	u64 headers;      /* how many there are */
	u32 bytes;
	u32 odd;          /* 1: not of the form that is answered here */
	u32 chunk;
	u32 chunks;
	u32 line;         /* where the line in hand begins */
	u32 first_line_bytes;
	u32 head_end;     /* behind the empty line; 0: not read to there */
	u32 found;
	u32 from;
	u32 to;
	u32 state;
	u32 method_bytes;
	u32 count[HEADERS];
	u32 at[HEADERS];
	u32 length[HEADERS];
	u32 value_at[HEADERS]; /* behind the colon */
	u32 vias;
	u32 credentials;
	u32 via_at[MAX_VIAS];
	u32 via_bytes[MAX_VIAS];
	u32 credentials_at[MAX_CREDENTIALS];
	u32 credentials_bytes[MAX_CREDENTIALS];
	u32 has_rport;     /* 1: the top Via asks for it */
	u32 has_to_tag;
	u32 sent_by_end;   /* in the top Via */
	u32 rport_end;
	u32 via_end;       /* end of the first element of the top Via */
	u32 nonce_at;      /* 0: none found */
	u32 kind;          /* enum answer */
	u32 now_s;         /* Unix time */
	u32 answer_bytes;  /* 0: nothing is written yet */
	u32 reply_port;    /* in network order */
	u64 tag;           /* SipHash of the Call-ID */
	u64 registration;  /* what a REGISTER says, as the mark of refresh_key */
};

enum line_verdict { LINE_REFUSED = 0, LINE_ACCEPTED = 1, LINE_MARKED = 2 };

/* First states of the rules of appliance/kernel/grammar.py, in its order. */
enum line_rule {
	RULE_via = 3,
	RULE_vias = 4,
	RULE_address = 5,
	RULE_call_id = 6,
	RULE_cseq = 7,
	RULE_request = 8,
};

#define GRAMMAR_CLASSES 64
#define GRAMMAR_ROWS 16384 /* 256 states */

/* What lines may look like: an automaton that takes a byte at a time. */
struct grammar {
	u8 classes[256];
	u8 following[GRAMMAR_ROWS];
};

struct tally {
	u64 packets;
	u64 bytes;
	u64 reported; /* packets that this verdict would have ended, were it not in report-only */
	u64 reported_bytes;
	u64 sampled_ns; /* when a packet of this verdict was last kept as a sample; coarse clock */
};

#endif
