/* From a frame to its addresses, ports and payload. Pure: knows no map.
 *
 * Ethernet with up to two VLAN tags (802.1Q, 802.1ad), IPv4 with options (RFC 791), IPv6 with a bounded chain of
 * extension headers (RFC 8200), fragments (RFC 815, 1858, 6946), UDP (RFC 768), TCP (RFC 9293). Every function
 * returns VERDICT_NONE to go on, or the verdict that ends the packet.
 */
#ifndef PARSE_H
#define PARSE_H

#include <uapi/linux/if_ether.h>

#define BIG16(x) ((u16)__builtin_bswap16(x))
#define BIG32(x) ((u32)__builtin_bswap32(x))

/* IANA protocol numbers, and those of the extension headers that are walked. */
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define EXTENSION_HOPS 0
#define EXTENSION_ROUTING 43
#define EXTENSION_FRAGMENT 44
#define EXTENSION_TARGET 60

#define LO_IFINDEX 1 /* of every network namespace */

#define MAX_VLAN_TAGS 2
#define MAX_EXTENSIONS 6
#define OFFSET_MASK 0x7fff /* the furthest a transport header can start, for the verifier */

#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET 0x1fff
#define IP6_OFFSET 0xfff8
#define IP6_MORE_FRAGMENTS 1

/* Hides from the compiler what it knows of a number: it would fold two tests into one that the verifier cannot follow. */
#define OPAQUE(number) asm volatile("" : "+r"(number))

enum fragment { FRAGMENT_NONE = 0, FRAGMENT_FIRST = 1, FRAGMENT_LATER = 2 };

struct ip4_header {
	u8 version_length;
	u8 tos;
	u16 total_length;
	u16 id;
	u16 fragment;
	u8 ttl;
	u8 protocol;
	u16 checksum;
	u32 source;
	u32 target;
};

struct ip6_header {
	u32 version_class_flow;
	u16 payload_length;
	u8 next;
	u8 hop_limit;
	struct address source;
	struct address target;
};

struct udp_header {
	u16 source;
	u16 target;
	u16 length;
	u16 checksum;
};

struct tcp_header {
	u16 source;
	u16 target;
	u32 sequence;
	u32 acknowledgement;
	u8 offset; /* in the upper four bits, in words */
	u8 flags;
	u16 window;
	u16 checksum;
	u16 urgent;
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* A place in the frame, and what must not be passed. */
struct cursor {
	u8 *start;
	u8 *at;
	void *end;
};

static __always_inline bool address_is_ip4(const struct address *ip)
{
	return !ip->word[0] && !ip->word[1] && ip->word[2] == BIG32(0xffff);
}

static __always_inline void address_from_ip4(struct address *ip, u32 address)
{
	ip->word[0] = 0;
	ip->word[1] = 0;
	ip->word[2] = BIG32(0xffff);
	ip->word[3] = address;
}

static __always_inline bool address_equal(const struct address *a, const struct address *b)
{
	return a->word[3] == b->word[3] && a->word[2] == b->word[2] && a->word[1] == b->word[1] &&
	       a->word[0] == b->word[0];
}

static __always_inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && address_equal(&a->ip, &b->ip);
}

/* Ethernet and its VLAN tags; `type` is the EtherType behind them, in network order. */
static __always_inline enum verdict parse_ethernet(struct cursor *cursor, struct packet *packet, u16 *type)
{
	if ((void *)(cursor->at + ETH_HLEN) > cursor->end)
		return VERDICT_eth_truncated;
	*type = *(u16 *)(cursor->at + 12);
	packet->group = cursor->at[0] & 1;
	cursor->at += ETH_HLEN;
#pragma unroll
	for (int i = 0; i <= MAX_VLAN_TAGS; i++) {
		if (*type != BIG16(ETH_P_8021Q) && *type != BIG16(ETH_P_8021AD))
			return VERDICT_NONE;
		if (i == MAX_VLAN_TAGS)
			return VERDICT_vlan_too_deep;
		if ((void *)(cursor->at + 4) > cursor->end)
			return VERDICT_vlan_truncated;
		packet->tags[i] = *type | (u32)*(u16 *)cursor->at << 16;
		packet->tag_count = i + 1;
		*type = *(u16 *)(cursor->at + 2);
		cursor->at += 4;
	}
	return VERDICT_NONE;
}

/* Multicast, the reserved class E and the broadcast address: they cannot send. */
static __always_inline bool ip4_not_single(u32 address)
{
	return (address & BIG32(0xe0000000)) == BIG32(0xe0000000);
}

/* This host and this network (RFC 1122 3.2.1.3) are addresses that no other host sends from; loopback's are lo's own. */
static __always_inline bool ip4_not_there(u32 address, u32 ifindex)
{
	u8 first = address & 0xff;

	return !first || (first == 127 && ifindex != LO_IFINDEX);
}

static __always_inline bool ip6_not_there(const struct address *ip, u32 ifindex)
{
	u32 last = BIG32(ip->word[3]);

	return !ip->word[0] && !ip->word[1] && !ip->word[2] && (!last || (last == 1 && ifindex != LO_IFINDEX));
}

static __always_inline enum verdict parse_ip4(struct cursor *cursor, struct packet *packet)
{
	struct ip4_header *ip = (void *)cursor->at;
	u32 length, total, flags;

	if ((void *)(ip + 1) > cursor->end)
		return VERDICT_ip4_truncated;
	if (ip->version_length >> 4 != 4)
		return VERDICT_ip4_version;
	length = (ip->version_length & 15) * 4;
	if (length < sizeof(*ip) || (void *)(cursor->at + length) > cursor->end)
		return VERDICT_ip4_header_length;
	total = BIG16(ip->total_length);
	if (total < length || total > (u64)(cursor->end - (void *)cursor->at))
		return VERDICT_ip4_total_length;
	if (ip4_not_single(ip->source) || ip4_not_there(ip->source, packet->ifindex))
		return VERDICT_source_impossible;
	address_from_ip4(&packet->source, ip->source);
	address_from_ip4(&packet->target, ip->target);
	packet->group |= ip4_not_single(ip->target);
	flags = BIG16(ip->fragment);
	if (flags & IP4_OFFSET)
		packet->fragment = FRAGMENT_LATER;
	else if (flags & IP4_MORE_FRAGMENTS)
		packet->fragment = FRAGMENT_FIRST;
	packet->flow = (u32)ip->tos << 20;
	packet->ip4_id = ip->id;
	packet->fragment_id = ip->id;
	packet->ip4_keep = !(ip->fragment & BIG16(0x4000));
	packet->hops = ip->ttl;
	packet->protocol = ip->protocol;
	packet->left = total - length;
	cursor->at += length;
	/* RFC 3128: a fragment at offset 8 would overwrite the flags of the TCP header in the first one. */
	if ((flags & IP4_OFFSET) == 1 && ip->protocol == PROTOCOL_TCP)
		return VERDICT_fragment_malformed;
	return VERDICT_NONE;
}

/* One extension header at the cursor: `next` becomes the type of what follows, `done` says that no other one follows. */
static __always_inline enum verdict parse_extension(struct cursor *cursor, struct packet *packet, u8 *next, bool *done)
{
	u8 *at = cursor->at;
	u32 bytes;

	if (*next != EXTENSION_HOPS && *next != EXTENSION_ROUTING && *next != EXTENSION_TARGET && *next != EXTENSION_FRAGMENT) {
		*done = true;
		return VERDICT_NONE;
	}
	if ((void *)(at + 8) > cursor->end || packet->left < 8)
		return VERDICT_ip6_extension_truncated;
	if (*next == EXTENSION_FRAGMENT) {
		u32 flags = BIG16(*(u16 *)(at + 2));

		bytes = 8;
		packet->fragment_id = *(u32 *)(at + 4);
		if (flags & IP6_OFFSET) {
			packet->fragment = FRAGMENT_LATER;
			*done = true;
		} else if (flags & IP6_MORE_FRAGMENTS) {
			packet->fragment = FRAGMENT_FIRST;
		}
	} else {
		bytes = ((u32)at[1] + 1) * 8;
		if (*next == EXTENSION_ROUTING && at[2] == 0)
			return VERDICT_ip6_source_routed;
	}
	if (bytes > packet->left || (void *)(at + bytes) > cursor->end)
		return VERDICT_ip6_extension_truncated;
	*next = at[0];
	packet->left -= bytes;
	cursor->at = at + bytes;
	return VERDICT_NONE;
}

static __always_inline enum verdict parse_ip6(struct cursor *cursor, struct packet *packet)
{
	struct ip6_header *ip = (void *)cursor->at;
	bool done = false;
	u8 next;

	if ((void *)(ip + 1) > cursor->end)
		return VERDICT_ip6_truncated;
	packet->flow = BIG32(ip->version_class_flow);
	if (packet->flow >> 28 != 6)
		return VERDICT_ip6_version;
	packet->flow &= 0x0fffffff;
	packet->left = BIG16(ip->payload_length);
	if (packet->left > (u64)(cursor->end - (void *)(ip + 1)))
		return VERDICT_ip6_payload_length;
	packet->source = ip->source;
	packet->target = ip->target;
	packet->group |= (ip->target.word[0] & BIG32(0xff000000)) == BIG32(0xff000000);
	/* A v4-mapped source on the wire would borrow the IPv4 address's standing. */
	if ((ip->source.word[0] & BIG32(0xff000000)) == BIG32(0xff000000) || address_is_ip4(&ip->source) ||
	    ip6_not_there(&ip->source, packet->ifindex))
		return VERDICT_source_impossible;
	packet->hops = ip->hop_limit;
	next = ip->next;
	cursor->at += sizeof(*ip);
	for (int i = 0; i < MAX_EXTENSIONS && !done; i++) {
		enum verdict verdict = parse_extension(cursor, packet, &next, &done);

		if (verdict)
			return verdict;
	}
	packet->protocol = next;
	if (!done && (next == EXTENSION_HOPS || next == EXTENSION_ROUTING || next == EXTENSION_TARGET ||
		      next == EXTENSION_FRAGMENT))
		return VERDICT_ip6_too_many_extensions;
	return VERDICT_NONE;
}

static __always_inline enum verdict parse_udp(struct cursor *cursor, struct packet *packet)
{
	struct udp_header *udp = (void *)cursor->at;
	u32 length;

	if ((void *)(udp + 1) > cursor->end || packet->left < sizeof(*udp))
		return packet->fragment ? VERDICT_fragment_malformed : VERDICT_udp_truncated;
	length = BIG16(udp->length);
	if (length < sizeof(*udp) || (!packet->fragment && length > packet->left))
		return VERDICT_udp_length;
	if (!udp->source || !udp->target)
		return VERDICT_udp_port_zero;
	packet->source_port = udp->source;
	packet->target_port = udp->target;
	packet->payload_bytes = length - sizeof(*udp);
	return VERDICT_NONE;
}

static __always_inline bool tcp_flags_impossible(u8 flags)
{
	if (!(flags & (TCP_SYN | TCP_ACK | TCP_RST)))
		return true;
	return flags & TCP_SYN && flags & (TCP_FIN | TCP_RST);
}

static __always_inline enum verdict parse_tcp(struct cursor *cursor, struct packet *packet)
{
	struct tcp_header *tcp = (void *)cursor->at;
	u32 length;

	if ((void *)(tcp + 1) > cursor->end || packet->left < sizeof(*tcp))
		return packet->fragment ? VERDICT_fragment_malformed : VERDICT_tcp_truncated;
	length = (tcp->offset >> 4) * 4;
	if (length < sizeof(*tcp) || (!packet->fragment && length > packet->left))
		return VERDICT_tcp_header_length;
	if (tcp_flags_impossible(tcp->flags))
		return VERDICT_tcp_flags;
	packet->connects = (tcp->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	packet->source_port = tcp->source;
	packet->target_port = tcp->target;
	return VERDICT_NONE;
}

/* The whole frame. VERDICT_NONE: UDP or TCP with its ports known, or a later fragment without them. */
static __always_inline enum verdict parse_packet(struct cursor *cursor, struct packet *packet)
{
	enum verdict verdict;
	u16 type = 0;

	verdict = parse_ethernet(cursor, packet, &type);
	if (verdict)
		return verdict;
	if (type == BIG16(ETH_P_IP))
		verdict = parse_ip4(cursor, packet);
	else if (type == BIG16(ETH_P_IPV6))
		verdict = parse_ip6(cursor, packet);
	else
		return VERDICT_not_ip;
	if (verdict)
		return verdict;
	if (packet->protocol != PROTOCOL_UDP && packet->protocol != PROTOCOL_TCP)
		return VERDICT_other_protocol;
	if (packet->fragment == FRAGMENT_LATER)
		return VERDICT_NONE;
	packet->offset = (cursor->at - cursor->start) & OFFSET_MASK;
	return packet->protocol == PROTOCOL_UDP ? parse_udp(cursor, packet) : parse_tcp(cursor, packet);
}

#endif
