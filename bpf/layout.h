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

/* What becomes of a packet that a rule would end: DROP as the verdict says, REPORT: counted, and judged on. */
enum mode { MODE_ACT = 0, MODE_REPORT = 1 };

#define MODES ((VERDICTS + 7) / 8 * 8)

/* All that a packet is judged by beside the tables. There are two of them; see policy.c. */
struct policy {
	u64 generation;
	u64 limits[LIMITS];
	u16 relay_first; /* media range, in the machine's order; 0 to 0: none */
	u16 relay_last;
	u32 relay_here; /* 1: this program relays; 0: userspace does, and media passes */
	u8 modes[MODES]; /* by verdict */
};

/* Programs that a packet may be handed on to, by their place in `stages`. Each is a function of the same name; one that
 * does not exist is not installed, and the walk goes on without it. */
enum stage { STAGE_read = 0, STAGE_answer = 1 };

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

#define BAN_SPARES_KNOWN 1 /* devices that are known go on working */

/* One device by address and port. Both are instants of CLOCK_MONOTONIC; 0: not; ~0: no end. A ban comes first. */
struct pair {
	u64 known_until_ns;
	u64 banned_until_ns;
};

enum pair_state { PAIR_NONE = 0, PAIR_KNOWN = 1, PAIR_BANNED = 2 };

enum source_class { SOURCE_STRANGER = 0, SOURCE_KNOWN = 1, SOURCE_ALLOWED = 2 };

struct source {
	u64 until_ns;
	u32 prefix_bits;
	u32 class;
};

enum bucket_lane { LANE_SERVICE = 0, LANE_FRAGMENT = 1 };

struct bucket_key {
	struct address ip; /* IPv6: its /64 */
	u32 lane;
};

/* The instant at which the bucket is full again; see bucket.h. */
struct bucket {
	u64 full_ns;
};

struct service_port {
	u16 port;
	u16 protocol; /* PROTOCOL_UDP or PROTOCOL_TCP, in the machine's order */
};

#define STREAM_LEARN 1           /* the first valid source becomes the remote (RFC 4961) */
#define STREAM_RTCP 2            /* RTCP only; without it, RTP and RTCP on one port (RFC 5761) */
#define STREAM_HAS_REMOTE 4      /* `remote` is announced */
#define STREAM_HAS_PEER_REMOTE 8 /* `peer_remote` is announced */
#define STREAM_ANY_PAYLOAD 16    /* every payload type may pass */

/* What the office wants of one stream; keyed by the appliance's own endpoint. Written by the keeper alone. */
struct stream {
	u64 session;
	u64 payload_types[2]; /* bit n: payload type n may pass */
	struct endpoint remote;
	struct endpoint peer;        /* the other side's key here, and the source that the other side sees */
	struct endpoint peer_remote; /* what the other side announced */
	u32 remote_mark;             /* changes with `remote`: what was learned under another mark is void */
	u32 peer_mark;
	u32 flags;
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

/* What the kernel knows of one stream; same key. Written here alone, so that no renewal undoes a count. */
struct stream_state {
	u64 packets; /* relayed */
	u64 bytes;   /* relayed, whole frames as they arrived */
	u64 dropped;
	u64 last_ns; /* of the last one relayed; 0: none */
	u64 lock;
	u64 full_ns; /* the stream's bucket */
	struct endpoint source;
	u32 mark; /* the row's remote_mark under which `source` was learned */
	struct hop hop;
	u32 zero;
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
	u32 policy; /* slot of the policy that this packet is judged by */
	u32 bytes;  /* of the whole frame */
	u32 zero;
};

/* One datagram, for the checksum of IPv6: packet memory takes no length that is known only at run time. */
struct scratch {
	u32 word[512];
};

struct tally {
	u64 packets;
	u64 bytes;
	u64 reported; /* packets that this verdict would have ended, were it not in report-only */
	u64 reported_bytes;
};

#endif
