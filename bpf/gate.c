/* The gate: the maps, and the walk of a packet through them.
 *
 *   parse -> allowed? -> banned? -> media range -> service port? -> the source's bucket -> SIP? -> settle
 *
 * There is one exit, settle(), which counts the verdict and acts as verdicts.def says. Only this file touches maps:
 * bcc rewrites map calls in the main file alone. Everything else is in headers that know no map.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/if_ether.h>

#include "layout.h"
#include "parse.h"
#include "bucket.h"
#include "sip.h"
#include "relay.h"

/* With PIN_DIR the maps live in the file system and outlast the keeper. */
#ifdef PIN_DIR
#define MAP(kind, key, leaf, name, entries, flags) \
	BPF_TABLE_PINNED(kind, key, leaf, name, entries, PIN_DIR "/" #name, flags)
#else
#define MAP(kind, key, leaf, name, entries, flags) BPF_F_TABLE(kind, key, leaf, name, entries, flags)
#endif

MAP("array", u32, struct gate_config, config, 1, 0); /* media range, generation, who relays */
MAP("array", u32, u64, limits, LIMITS, 0); /* one number for each slot of limits.def */
MAP("hash", struct service_port, u32, service_ports, MAX_SERVICE_PORTS, 0); /* ports that are guarded as signalling */
MAP("hash", struct address, struct source, sources, MAX_ADDRESSES, BPF_F_NO_PREALLOC); /* single addresses that are allowed or known */
MAP("lpm_trie", struct network, struct source, source_nets, MAX_NETWORKS, BPF_F_NO_PREALLOC); /* networks that are allowed or known */
MAP("hash", struct address, struct ban, bans, MAX_ADDRESSES, BPF_F_NO_PREALLOC); /* single addresses that are banned */
MAP("lpm_trie", struct network, struct ban, ban_nets, MAX_NETWORKS, BPF_F_NO_PREALLOC); /* networks that are banned */
MAP("lru_hash", struct bucket_key, struct bucket, buckets, MAX_BUCKETS, 0); /* how full each source's bucket is */
MAP("hash", struct endpoint, struct stream, streams, MAX_STREAMS, BPF_F_NO_PREALLOC); /* what the office wants of each media stream */
MAP("hash", struct endpoint, struct stream_state, stream_state, MAX_STREAMS, BPF_F_NO_PREALLOC); /* what the kernel counted and learned of it */
MAP("hash", u64, u64, leases, MAX_LEASES, BPF_F_NO_PREALLOC); /* session to the instant at which its media end */
MAP("hash", u32, struct path, paths, MAX_PATHS, 0); /* interfaces that a packet may leave by */
MAP("percpu_array", u32, struct packet, packets, 1, 0); /* the packet in hand */
MAP("percpu_array", u32, struct scratch, scratches, 1, 0); /* a datagram whose checksum is being made */
MAP("percpu_array", u32, struct tally, tallies, VERDICTS, 0); /* packets and bytes of each verdict */

/* An expired network may hide a wider one that still holds: how many such steps are tried. */
#define MAX_NESTED_NETWORKS 4

#define LO_IFINDEX 1

static inline void count(u32 verdict, u64 bytes)
{
	struct tally *tally = tallies.lookup(&verdict);

	if (tally) {
		tally->packets++;
		tally->bytes += bytes;
	}
}

static inline u64 limit_of(u32 slot)
{
	u64 *value = limits.lookup(&slot);

	return value ? *value : 0;
}

static __always_inline bool alive(u64 until_ns)
{
	return !until_ns || bpf_ktime_get_ns() < until_ns;
}

static inline u32 source_class(const struct packet *packet)
{
	struct address single = packet->source;
	struct network network = {.prefix_bits = 128, .ip = packet->source};
	struct source *source = sources.lookup(&single);

	if (source && alive(source->until_ns))
		return source->class;
#pragma unroll
	for (int i = 0; i < MAX_NESTED_NETWORKS; i++) {
		source = source_nets.lookup(&network);
		if (!source)
			return SOURCE_STRANGER;
		if (alive(source->until_ns))
			return source->class;
		if (!source->prefix_bits)
			return SOURCE_STRANGER;
		network.prefix_bits = (source->prefix_bits - 1) & 127;
	}
	return SOURCE_STRANGER;
}

static inline u32 ban_verdict(const struct packet *packet, u64 bytes)
{
	struct address single = packet->source;
	struct network network = {.prefix_bits = 128, .ip = packet->source};
	struct ban *ban = bans.lookup(&single);
	bool expired = false;

	if (ban && alive(ban->until_ns))
		return VERDICT_banned;
	expired = ban;
#pragma unroll
	for (int i = 0; i < MAX_NESTED_NETWORKS; i++) {
		ban = ban_nets.lookup(&network);
		if (!ban)
			break;
		if (alive(ban->until_ns))
			return VERDICT_banned_prefix;
		expired = true;
		if (!ban->prefix_bits)
			break;
		network.prefix_bits = (ban->prefix_bits - 1) & 127;
	}
	if (expired)
		count(VERDICT_ban_expired, bytes);
	return VERDICT_NONE;
}

/* One packet from the source's bucket in this lane. A source that cannot be remembered is let through. */
static inline bool within_bucket(const struct packet *packet, u32 lane, u64 burst, u64 interval)
{
	struct bucket_key key = {.lane = lane};
	struct bucket full = {};
	struct bucket *bucket;
	u64 now;

	if (!interval)
		return true;
	now = bpf_ktime_get_ns();
	bucket_owner(&key.ip, &packet->source);
	bucket = buckets.lookup(&key);
	if (bucket)
		return bucket_take(bucket, now, burst, interval);
	if (!bucket_take(&full, now, burst, interval))
		return false;
	buckets.update(&key, &full);
	return true;
}

static inline u32 judge_fragment(const struct packet *packet)
{
	if (within_bucket(packet, LANE_FRAGMENT, limit_of(LIMIT_fragment_burst), limit_of(LIMIT_fragment_interval)))
		return VERDICT_fragment_later;
	return VERDICT_fragment_flood;
}

static inline u32 judge_service(const struct cursor *cursor, const struct packet *packet, u32 class)
{
	bool known = class == SOURCE_KNOWN;
	u64 burst = limit_of(known ? LIMIT_known_burst : LIMIT_stranger_burst);
	u64 interval = limit_of(known ? LIMIT_known_interval : LIMIT_stranger_interval);

	if (!within_bucket(packet, LANE_SERVICE, burst, interval))
		return known ? VERDICT_over_rate_known : VERDICT_over_rate_stranger;
	if (packet->protocol == PROTOCOL_TCP)
		return VERDICT_tcp_service;
	if (packet->fragment)
		return VERDICT_sip_fragment;
	return sip_sniff(cursor->at + sizeof(struct udp_header), cursor->end, packet->payload_bytes);
}

/* The next hop by the routing table, as for a packet of the appliance's own: forwarding need be on for lo alone. */
static inline u32 hop_by_route(struct xdp_md *ctx, struct hop *hop, const struct packet *packet,
			       const struct endpoint *from, const struct endpoint *to)
{
	struct bpf_fib_lookup fib = {};
	struct path *path;
	u32 ifindex;
	int found;

	fib.ifindex = LO_IFINDEX;
	fib.l4_protocol = PROTOCOL_UDP;
	fib.sport = from->port;
	fib.dport = to->port;
	if (address_is_ip4(&to->ip)) {
		fib.family = 2; /* AF_INET */
		fib.ipv4_src = from->ip.word[3];
		fib.ipv4_dst = to->ip.word[3];
	} else {
		fib.family = 10; /* AF_INET6 */
		__builtin_memcpy(fib.ipv6_src, &from->ip, 16);
		__builtin_memcpy(fib.ipv6_dst, &to->ip, 16);
	}
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_NO_NEIGH)
		return VERDICT_rtp_no_neighbour;
	if (found != BPF_FIB_LKUP_RET_SUCCESS)
		return VERDICT_rtp_no_route;
	ifindex = fib.ifindex;
	path = paths.lookup(&ifindex);
	if (!path)
		return VERDICT_rtp_no_route;
	__builtin_memcpy(hop->macs, fib.dmac, 6);
	__builtin_memcpy(hop->macs + 6, fib.smac, 6);
	hop->tags[0] = path->tags[0];
	hop->tags[1] = path->tags[1];
	hop->tag_count = path->tag_count;
	hop->ifindex = path->ifindex;
	return VERDICT_NONE;
}

/* The UDP checksum that the datagram at `offset` needs over IPv6, from all its bytes; 0: it could not be read. */
static inline u16 checksum_ip6(struct xdp_md *ctx, u32 offset, u64 bytes, const struct endpoint *from,
			       const struct endpoint *to)
{
	u32 zero = 0;
	struct scratch *scratch = scratches.lookup(&zero);

	bytes &= DATAGRAM_MASK;
	if (!scratch || bytes > RTP_MAX_BYTES + sizeof(struct udp_header))
		return 0;
	OPAQUE(bytes);
	if (bytes < sizeof(struct udp_header))
		return 0;
	scratch->word[bytes / 4] = 0;
	if (bpf_xdp_load_bytes(ctx, offset, scratch->word, bytes))
		return 0;
	return udp6_checksum(sum_buffer(scratch->word, bytes), bytes, from, to);
}

/* Turns the frame into the one that the other side gets. False: the driver left no room, or the frame is too short. */
static inline bool rewrite(struct xdp_md *ctx, const struct packet *packet, const struct hop *hop,
			   const struct endpoint *from, const struct endpoint *to)
{
	bool ip4 = address_is_ip4(&to->ip);
	u32 offset = headers_bytes(hop, ip4);
	u32 bytes = packet->payload_bytes + sizeof(struct udp_header);
	int delta = (int)packet->offset - (int)offset;
	void *end;
	u8 *at;

	if (delta && bpf_xdp_adjust_head(ctx, delta))
		return false;
	end = (void *)(long)ctx->data_end;
	at = hop_write((void *)(long)ctx->data, end, hop, ip4);
	if (!at)
		return false;
	if (ip4)
		return ip4_write(at, end, packet, from, to);
	if (!ip6_write(at, end, packet, from, to))
		return false;
	return udp_seal((void *)(long)ctx->data + offset, end, checksum_ip6(ctx, offset, bytes, from, to));
}

/* May this packet of the stream pass? Whatever says no is counted on the stream too. */
static inline u32 admit(const struct cursor *cursor, const struct packet *packet,
			const struct stream *stream, struct stream_state *state, u64 now, bool *rtcp)
{
	struct endpoint source = {.ip = packet->source, .port = packet->source_port};
	u64 session = stream->session;
	u64 *deadline = leases.lookup(&session);
	struct bucket *bucket = (void *)&state->full_ns;
	u32 verdict;

	verdict = lease_verdict(deadline, now);
	if (verdict)
		return verdict;
	if (packet->fragment)
		return VERDICT_rtp_fragment;
	if (packet->hops <= 1)
		return VERDICT_rtp_hops;
	verdict = media_verdict(stream, packet, cursor->at + sizeof(struct udp_header), cursor->end, rtcp);
	if (verdict)
		return verdict;
	verdict = source_verdict(stream, state, &source);
	if (verdict)
		return verdict;
	hop_learn(&state->hop, cursor->start, packet);
	if (!bucket_take(bucket, now, limit_of(LIMIT_rtp_burst), limit_of(LIMIT_rtp_interval)))
		return VERDICT_rtp_over_rate;
	return VERDICT_NONE;
}

/* From the endpoint of ours that the other side knows, to where the other side is. */
static inline u32 send_on(struct xdp_md *ctx, const struct packet *packet, const struct stream *stream, int *action)
{
	struct endpoint from = stream->peer;
	struct endpoint to = stream->peer_remote;
	struct stream_state *peer = stream_state.lookup(&from);
	struct hop hop = {};
	u32 verdict;

	if (remote_locked(stream, peer)) {
		to = peer->source;
		hop = peer->hop;
	} else if (stream->flags & STREAM_HAS_PEER_REMOTE) {
		verdict = hop_by_route(ctx, &hop, packet, &from, &to);
		if (verdict)
			return verdict;
	} else {
		return VERDICT_rtp_no_remote;
	}
	if (!rewrite(ctx, packet, &hop, &from, &to))
		return VERDICT_gate_fault;
	*action = hop.ifindex == packet->ifindex ? XDP_TX : bpf_redirect(hop.ifindex, 0);
	return VERDICT_NONE;
}

static inline u32 relay(struct xdp_md *ctx, const struct cursor *cursor, const struct packet *packet, u64 bytes, int *action)
{
	struct endpoint local = {.ip = packet->target, .port = packet->target_port};
	struct stream *stream = streams.lookup(&local);
	struct stream_state *state;
	bool rtcp = false;
	u32 verdict;
	u64 now;

	if (!stream)
		return VERDICT_rtp_no_session;
	state = stream_state.lookup(&local);
	if (!state)
		return VERDICT_gate_fault;
	now = bpf_ktime_get_ns();
	verdict = admit(cursor, packet, stream, state, now, &rtcp);
	if (!verdict)
		verdict = send_on(ctx, packet, stream, action);
	if (verdict) {
		__sync_fetch_and_add(&state->dropped, 1);
		return verdict;
	}
	__sync_fetch_and_add(&state->packets, 1);
	__sync_fetch_and_add(&state->bytes, bytes);
	state->last_ns = now;
	return rtcp ? VERDICT_rtcp_relayed : VERDICT_rtp_relayed;
}

/* UDP or TCP whose ports are known. */
static inline u32 judge_ports(struct xdp_md *ctx, const struct cursor *cursor, const struct packet *packet, u32 class,
			      u64 bytes, int *action)
{
	struct service_port service = {.port = packet->target_port, .protocol = packet->protocol};
	u16 port = BIG16(packet->target_port);
	u32 zero = 0;
	struct gate_config *config_row = config.lookup(&zero);

	if (!config_row)
		return VERDICT_gate_fault;
	if (packet->protocol == PROTOCOL_UDP && port >= config_row->relay_first && port <= config_row->relay_last) {
		if (!config_row->relay_here)
			return VERDICT_rtp_to_user;
		return relay(ctx, cursor, packet, bytes, action);
	}
	if (class == SOURCE_ALLOWED)
		return VERDICT_source_allowed;
	if (!service_ports.lookup(&service))
		return VERDICT_other_port;
	return judge_service(cursor, packet, class);
}

static inline u32 walk(struct xdp_md *ctx, u64 bytes, int *action)
{
	struct cursor cursor = {
		.start = (void *)(long)ctx->data,
		.at = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	u32 zero = 0, class, verdict;
	struct packet *packet = packets.lookup(&zero);

	if (!packet)
		return VERDICT_gate_fault;
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->ifindex = ctx->ingress_ifindex; /* here alone: compilers share the address of late reads, and it is refused */
	verdict = parse_packet(&cursor, packet);
	if (verdict)
		return verdict;
	class = source_class(packet);
	if (class != SOURCE_ALLOWED) {
		verdict = ban_verdict(packet, bytes);
		if (verdict)
			return verdict;
	}
	if (packet->fragment == FRAGMENT_LATER)
		return class == SOURCE_ALLOWED ? VERDICT_source_allowed : judge_fragment(packet);
	cursor.at = cursor.start + (packet->offset & OFFSET_MASK);
	return judge_ports(ctx, &cursor, packet, class, bytes, action);
}

#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#define ACTION_NOTE XDP_ABORTED
#define ACTION_ABORT XDP_ABORTED
#define ACTION_FORWARD forward_action

/* The one exit: counts the verdict and does what verdicts.def says. */
static inline int settle(u32 verdict, u64 bytes, int forward_action)
{
	count(verdict, bytes);
	switch (verdict) {
#define VERDICT(name, action, text) \
	case VERDICT_##name:        \
		return ACTION_##action;
#include "verdicts.def"
#undef VERDICT
	}
	return XDP_ABORTED;
}

int gate(struct xdp_md *ctx)
{
	u64 bytes = ctx->data_end - ctx->data;
	int action = XDP_ABORTED;
	u32 verdict = walk(ctx, bytes, &action);

	return settle(verdict, bytes, action);
}
