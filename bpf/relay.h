/* One packet of a relayed stream: is it media that may pass, and what does it look like on the other side.
 *
 * Pure: knows no map. RFC 3550 5.1, 5.3.1, 6.1 (RTP and RTCP headers), RFC 5761 4 (both on one port), RFC 5764 5.1.2
 * and RFC 7983 (DTLS and STUN on the same port), RFC 768 and 8200 8.1 (UDP checksum). RFC 1624 is not used: a local
 * sender on a virtual link leaves a partial checksum, which cannot be updated, so IPv4 gets none and IPv6 a whole new one.
 */
#ifndef RELAY_H
#define RELAY_H

#define RTP_HEADER_BYTES 12
#define RTCP_HEADER_BYTES 8
#define RTP_MAX_BYTES 1452 /* 1500 less the IPv6 and UDP headers */
#define DATAGRAM_MASK 2047 /* covers RTP_MAX_BYTES and the UDP header */

enum media_kind { MEDIA_RTP = 0, MEDIA_RTCP = 1, MEDIA_DTLS = 2 };

#define DTLS_FIRST 20 /* RFC 7983 7: the first byte tells what shares a port */
#define DTLS_LAST 63
#define DTLS_HEADER_BYTES 13

#define RTCP_FIRST_TYPE 192 /* RFC 5761 4: 192 to 223 are RTCP */
#define RTCP_LAST_TYPE 223

#include "sender.h"

static __always_inline enum verdict lease_verdict(const u64 *deadline, u64 now)
{
	if (!deadline || !*deadline)
		return VERDICT_lease_closed;
	return now < *deadline ? VERDICT_NONE : VERDICT_lease_lapsed;
}

/* The first packet of a compound: a report, feedback or BYE, of version 2, that ends inside the datagram. */
static __always_inline enum verdict rtcp_verdict(const u8 *media, u32 bytes)
{
	u32 length = (BIG16(*(u16 *)(media + 2)) + 1u) * 4;

	if (bytes < RTCP_HEADER_BYTES || media[0] >> 6 != 2)
		return VERDICT_rtcp_malformed;
	if (media[1] < RTCP_FIRST_TYPE || media[1] > RTCP_LAST_TYPE || length > bytes)
		return VERDICT_rtcp_malformed;
	return VERDICT_NONE;
}

/* Version 2, and room for the contributing sources and the extension that the header announces. */
static __always_inline enum verdict rtp_verdict(const u8 *media, const void *end, u32 bytes)
{
	u32 header = RTP_HEADER_BYTES + (media[0] & 15) * 4;

	if (bytes < header)
		return VERDICT_rtp_malformed;
	if (media[0] & 0x10) {
		const u8 *extension = media + header;

		if ((void *)(extension + 4) > end || bytes < header + 4)
			return VERDICT_rtp_malformed;
		if (bytes < header + 4 + BIG16(*(u16 *)(extension + 2)) * 4u)
			return VERDICT_rtp_malformed;
	}
	return VERDICT_NONE;
}

/* What is neither RTP nor RTCP: a DTLS record (RFC 6347 4.1), STUN (RFC 8489 5), or nothing that belongs here. */
static __always_inline enum verdict other_verdict(const struct stream *stream, const u8 *media, u32 bytes)
{
	if (media[0] < 4 && *(u32 *)(media + 4) == STUN_COOKIE)
		return VERDICT_rtp_stun;
	if (media[0] < DTLS_FIRST || media[0] > DTLS_LAST || media[1] != 254 || bytes < DTLS_HEADER_BYTES)
		return stream->flags & STREAM_RTCP ? VERDICT_rtcp_malformed : VERDICT_rtp_malformed;
	return stream->flags & STREAM_DTLS ? VERDICT_NONE : VERDICT_rtp_dtls;
}

/* The UDP payload as media of this stream; `kind` says what it is. */
static __always_inline enum verdict media_verdict(const struct stream *stream, u32 bytes, const u8 *media,
						  const void *end, enum media_kind *kind)
{
	bool control = stream->flags & STREAM_RTCP;

	if (bytes > RTP_MAX_BYTES)
		return VERDICT_rtp_too_long;
	if (bytes < RTCP_HEADER_BYTES || (void *)(media + RTCP_HEADER_BYTES) > end)
		return control ? VERDICT_rtcp_malformed : VERDICT_rtp_malformed;
	if (media[0] >> 6 != 2) {
		*kind = MEDIA_DTLS;
		return other_verdict(stream, media, bytes);
	}
	if (control || (media[1] >= RTCP_FIRST_TYPE && media[1] <= RTCP_LAST_TYPE)) {
		*kind = MEDIA_RTCP;
		return rtcp_verdict(media, bytes);
	}
	if ((void *)(media + RTP_HEADER_BYTES) > end)
		return VERDICT_rtp_malformed;
	return rtp_verdict(media, end, bytes);
}

/* Is this what was negotiated? */
static __always_inline enum verdict codec_verdict(const struct stream *stream, u32 bytes, const u8 *media)
{
	u32 type = media[1] & 127;

	if (!(stream->flags & STREAM_ANY_PAYLOAD) && !(stream->payload_types[type >> 6] >> (type & 63) & 1))
		return VERDICT_rtp_payload_type;
	return stream->packet_bytes && bytes > stream->packet_bytes ? VERDICT_rtp_oversize : VERDICT_NONE;
}

/* How a reply to this frame is addressed on the link. The MAC address may change under a call, as a gateway's does when
 * another takes over; the interface may not: whoever forges the source elsewhere must not draw the replies there. */
static __always_inline void hop_learn(struct hop *hop, const u8 *frame, const struct packet *packet)
{
	if (hop->ifindex && hop->ifindex != packet->ifindex)
		return;
	__builtin_memcpy(hop->macs, frame + 6, 6);
	__builtin_memcpy(hop->macs + 6, frame, 6);
	hop->tags[0] = packet->tags[0];
	hop->tags[1] = packet->tags[1];
	hop->tag_count = packet->tag_count;
	hop->ifindex = packet->ifindex;
}

/* Where packets for the other side go: the source it was locked to, else what it announced. True: `state->hop` holds. */
static __always_inline bool remote_locked(const struct stream *stream, const struct stream_state *peer)
{
	return peer && peer->lock >= LOCK_LEARNED && peer->mark == stream->peer_mark;
}

static __always_inline u32 fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* The next piece of a buffer of `left` bytes: 512 at most, which is what the checksum helper takes at a time. */
static __always_inline u64 sum_piece(u64 left)
{
	u64 bytes = left < 512 ? left : 512;

	OPAQUE(bytes);
	return bytes & 1020;
}

/* Sum over a UDP datagram of RTP_MAX_BYTES at most that lies in `buffer`, zero-padded to whole words. The helper's sum is
 * 32 bits in a signed type: kept unsigned, because the sign would take a carry away. */
static __always_inline u32 sum_buffer(u32 *buffer, u64 bytes)
{
	u64 left = (bytes + 3) & (DATAGRAM_MASK & ~3ull);
	u64 piece = sum_piece(left);
	u32 sum = bpf_csum_diff(NULL, 0, buffer, piece, 0);

	left -= piece;
	piece = sum_piece(left);
	if (piece)
		sum = bpf_csum_diff(NULL, 0, buffer + 128, piece, sum);
	piece = sum_piece(left - piece);
	if (piece)
		sum = bpf_csum_diff(NULL, 0, buffer + 256, piece, sum);
	return sum;
}

/* The checksum of a UDP datagram over IPv6, given the sum of its bytes with a checksum field of 0 (RFC 8200 8.1). */
static __always_inline u16 udp6_checksum(u64 sum, u32 bytes, const struct endpoint *from, const struct endpoint *to)
{
	u16 checksum;

	sum += BIG16(bytes) + BIG16(PROTOCOL_UDP);
#pragma unroll
	for (int i = 0; i < 4; i++)
		sum += (u64)from->ip.word[i] + to->ip.word[i];
	checksum = ~fold(sum);
	return checksum ? checksum : 0xffff;
}

static __always_inline void ip4_checksum(struct ip4_header *ip)
{
	u64 sum = 0;

	ip->checksum = 0;
#pragma unroll
	for (int i = 0; i < 5; i++)
		sum += ((u32 *)ip)[i];
	ip->checksum = ~fold(sum);
}

static __always_inline void udp_write(struct udp_header *udp, const struct endpoint *from, const struct endpoint *to)
{
	udp->source = from->port;
	udp->target = to->port;
	udp->checksum = 0;
}

/* False when there is no checksum to write, or no room. */
static __always_inline bool udp_seal(struct udp_header *udp, const void *end, u16 checksum)
{
	if (!checksum || (void *)(udp + 1) > end)
		return false;
	udp->checksum = checksum;
	return true;
}

static __always_inline bool ip4_write(u8 *at, void *end, const struct packet *packet, const struct endpoint *from,
				      const struct endpoint *to)
{
	struct ip4_header *ip = (void *)at;
	struct udp_header *udp = (void *)(ip + 1);

	if ((void *)(udp + 1) > end)
		return false;
	ip->version_length = 0x45;
	ip->tos = packet->flow >> 20;
	ip->total_length = BIG16(packet->payload_bytes + sizeof(*ip) + sizeof(*udp));
	ip->id = packet->ip4_id;
	ip->fragment = packet->ip4_keep ? 0 : BIG16(0x4000);
	ip->ttl = packet->hops - 1;
	ip->protocol = PROTOCOL_UDP;
	ip->source = from->ip.word[3];
	ip->target = to->ip.word[3];
	ip4_checksum(ip);
	udp_write(udp, from, to);
	return true;
}

static __always_inline bool ip6_write(u8 *at, void *end, const struct packet *packet, const struct endpoint *from,
				      const struct endpoint *to)
{
	struct ip6_header *ip = (void *)at;
	struct udp_header *udp = (void *)(ip + 1);
	u32 bytes = packet->payload_bytes + sizeof(*udp);

	if ((void *)(udp + 1) > end)
		return false;
	ip->version_class_flow = BIG32(6u << 28 | packet->flow);
	ip->payload_length = BIG16(bytes);
	ip->next = PROTOCOL_UDP;
	ip->hop_limit = packet->hops - 1;
	ip->source = from->ip;
	ip->target = to->ip;
	udp_write(udp, from, to);
	return true;
}

/* The link header at the frame's start; returns where the IP header goes, or NULL when the frame is too short. */
static __always_inline u8 *hop_write(u8 *frame, void *end, const struct hop *hop, bool ip4)
{
	u8 *at = frame + 12;

	if ((void *)(frame + ETH_HLEN + 4 * MAX_VLAN_TAGS) > end)
		return NULL;
	__builtin_memcpy(frame, hop->macs, 12);
	if (hop->tag_count > 0) {
		*(u32 *)at = hop->tags[0];
		at += 4;
	}
	if (hop->tag_count > 1) {
		*(u32 *)at = hop->tags[1];
		at += 4;
	}
	*(u16 *)at = ip4 ? BIG16(ETH_P_IP) : BIG16(ETH_P_IPV6);
	return at + 2;
}

/* Bytes that the new link and IP headers take, bounded where the verifier sees it. */
static __always_inline u32 headers_bytes(const struct hop *hop, bool ip4)
{
	u32 tags = hop->tag_count < MAX_VLAN_TAGS ? hop->tag_count : MAX_VLAN_TAGS;

	u32 bytes = ETH_HLEN + 4 * tags + (ip4 ? sizeof(struct ip4_header) : sizeof(struct ip6_header));

	OPAQUE(bytes);
	return bytes & 127;
}

#endif
