/* A packet of the media range: the maps behind relay.h, and the way out. */

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

/* Whose packet is it? The source, and for RTP its SSRC and sequence; the way back is learned from what is right. */
static inline u32 judge_sender(const struct policy *policy, const struct cursor *cursor, const struct packet *packet,
			       const struct stream *stream, struct stream_state *state, u64 now, enum media_kind kind)
{
	struct endpoint source = {.ip = packet->source, .port = packet->source_port};
	struct endpoint rtp = {.ip = packet->target, .port = BIG16(BIG16(packet->target_port) - 1)};
	const u8 *media = cursor->at + sizeof(struct udp_header);
	u64 hold = policy->limits[LIMIT_rtp_hold];
	u32 verdict;

	if ((void *)(media + RTCP_HEADER_BYTES) > cursor->end ||
	    (kind == MEDIA_RTP && (void *)(media + RTP_HEADER_BYTES) > cursor->end))
		return VERDICT_gate_fault;
	if (kind == MEDIA_RTCP && stream->flags & STREAM_RTCP)
		verdict = control_verdict(stream, state, stream_state.lookup(&rtp), &source);
	else
		verdict = source_verdict(stream, state, &source, media, kind, now, policy->limits[LIMIT_rtp_patience], hold);
	if (!verdict && kind == MEDIA_RTP && !(stream->flags & STREAM_MANY))
		verdict = identity_verdict(state, media, now, hold, policy->limits[LIMIT_rtp_ssrc_interval]);
	if (!verdict)
		hop_learn(&state->hop, cursor->start, packet);
	return verdict;
}

/* Does it come too fast? A stream has its own pace where its codecs are known. */
static inline bool within_pace(const struct policy *policy, const struct stream *stream, struct stream_state *state,
			       u64 now, enum media_kind kind)
{
	u64 burst = stream->burst, interval = stream->interval_ns;

	if (kind == MEDIA_DTLS)
		return bucket_take((void *)&state->dtls_full_ns, now, policy->limits[LIMIT_dtls_burst],
				   policy->limits[LIMIT_dtls_interval]);
	if (!interval) {
		burst = policy->limits[LIMIT_rtp_burst];
		interval = policy->limits[LIMIT_rtp_interval];
	}
	return bucket_take((void *)&state->full_ns, now, burst, interval);
}

/* Is it media at all, of a call that may be heard? No rule that could be left undone. */
static inline u32 judge_form(const struct cursor *cursor, const struct packet *packet, const struct stream *stream,
			     u64 now, enum media_kind *kind)
{
	u64 session = stream->session;
	u64 *deadline = leases.lookup(&session);
	u32 verdict = lease_verdict(deadline, now);

	if (verdict)
		return verdict;
	if (packet->fragment)
		return VERDICT_rtp_fragment;
	if (packet->hops <= 1)
		return VERDICT_rtp_hops;
	return media_verdict(stream, packet->payload_bytes, cursor->at + sizeof(struct udp_header), cursor->end, kind);
}

/* May this packet of the stream pass? Whatever says no is counted on the stream too. */
static inline u32 admit(const struct policy *policy, const struct cursor *cursor, const struct packet *packet,
			const struct stream *stream, struct stream_state *state, u64 now, enum media_kind *kind)
{
	const u8 *media = cursor->at + sizeof(struct udp_header);
	u64 bytes = packet->bytes;
	u32 verdict = judge_form(cursor, packet, stream, now, kind);

	if (verdict)
		return verdict;
	if (*kind == MEDIA_RTP) {
		if ((void *)(media + RTP_HEADER_BYTES) > cursor->end)
			return VERDICT_gate_fault;
		verdict = codec_verdict(stream, packet->payload_bytes, media);
		if (verdict && (verdict = ruled(policy, verdict, bytes)))
			return verdict;
	}
	verdict = judge_sender(policy, cursor, packet, stream, state, now, *kind);
	if (verdict && (verdict = ruled(policy, verdict, bytes)))
		return verdict;
	if (!within_pace(policy, stream, state, now, *kind)) {
		verdict = ruled(policy, VERDICT_rtp_over_rate, bytes);
		if (verdict)
			return verdict;
	}
	if (stream->flags & STREAM_MUTED && *kind != MEDIA_DTLS)
		return ruled(policy, VERDICT_rtp_early, bytes);
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

static inline u32 relay(struct xdp_md *ctx, const struct policy *policy, const struct cursor *cursor,
			struct packet *packet, u64 bytes, int *action)
{
	struct endpoint local = {.ip = packet->target, .port = packet->target_port};
	struct stream *stream = streams.lookup(&local);
	struct stream_state *state;
	enum media_kind kind = MEDIA_RTP;
	u32 verdict;
	u64 now;

	if (!stream)
		return VERDICT_rtp_no_session;
	state = stream_state.lookup(&local);
	if (!state)
		return VERDICT_gate_fault;
	now = packet_now(packet);
	verdict = admit(policy, cursor, packet, stream, state, now, &kind);
	if (!verdict)
		verdict = judge_speed(policy, packet, EIGHTHS_ALL);
	if (!verdict && !(stream->flags & STREAM_OFFICE))
		verdict = send_on(ctx, packet, stream, action);
	if (verdict) {
		__sync_fetch_and_add(&state->dropped, 1);
		return verdict;
	}
	__sync_fetch_and_add(&state->packets, 1);
	__sync_fetch_and_add(&state->bytes, bytes);
	state->last_ns = now;
	if (stream->flags & STREAM_OFFICE)
		return VERDICT_rtp_to_office;
	if (kind == MEDIA_RTP)
		return VERDICT_rtp_relayed;
	return kind == MEDIA_RTCP ? VERDICT_rtcp_relayed : VERDICT_dtls_relayed;
}
