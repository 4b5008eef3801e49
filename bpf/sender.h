/* Who may send on a media stream: the source, and for RTP its SSRC and sequence.
 *
 * Pure: knows no map and no clock. RFC 4961 (symmetric RTP), RFC 3550 8.2 and A.1 (SSRC, sequence). The same rules in
 * Python: pysrv/net/guard.py.
 */
#ifndef SENDER_H
#define SENDER_H

/* RFC 3550 A.1, there MAX_DROPOUT and MAX_MISORDER: how far a sequence may lie from the highest one. */
#define RTP_AHEAD 3000
#define RTP_BEHIND 100
#define RTP_RUN 3 /* packets in order before a newcomer is believed */
#define SSRC_BURST 4

static __always_inline bool source_announced(const struct stream *stream, const struct endpoint *source)
{
	return stream->flags & STREAM_HAS_REMOTE && endpoint_equal(source, &stream->remote);
}

static __always_inline enum rank source_rank(const struct stream *stream, const struct endpoint *source)
{
	u32 flags = stream->flags;

	if (source_announced(stream, source))
		return RANK_ANNOUNCED;
	if (!(flags & STREAM_LEARN))
		return RANK_NONE;
	if (flags & STREAM_HAS_REMOTE && address_equal(&source->ip, &stream->remote.ip))
		return RANK_NEAR;
	if (flags & STREAM_HAS_NEAR && address_equal(&source->ip, &stream->near))
		return RANK_NEAR;
	return flags & STREAM_LEARN_FAR ? RANK_FAR : RANK_NONE;
}

/* How many packets in order this one makes; 0: somebody else is being listened to, who is known no worse. */
static __always_inline u32 newcomer_run(struct newcomer *newcomer, const struct endpoint *source, enum rank rank,
					u32 ssrc, u16 sequence, u64 now, u64 hold)
{
	bool same = newcomer->run && endpoint_equal(&newcomer->source, source);

	if (!same && newcomer->run && rank <= newcomer->rank && now - newcomer->last_ns < hold)
		return 0;
	if (same && newcomer->ssrc == ssrc && newcomer->next == sequence) {
		if (newcomer->run < 0xffff)
			newcomer->run++;
	} else {
		newcomer->source = *source;
		newcomer->rank = rank;
		newcomer->ssrc = ssrc;
		newcomer->since_ns = now;
		newcomer->run = 1;
	}
	newcomer->next = sequence + 1;
	newcomer->last_ns = now;
	return newcomer->run;
}

/* The stream is `source`'s from now on. False: another CPU was faster. */
static __always_inline bool source_lock(const struct stream *stream, struct stream_state *state,
					const struct endpoint *source, bool announced)
{
	u64 lock = state->lock;

	if (lock == LOCK_CLAIMED || __sync_val_compare_and_swap(&state->lock, lock, LOCK_CLAIMED) != lock)
		return false;
	state->source = *source;
	state->mark = stream->remote_mark;
	state->hop.ifindex = 0;
	state->heard_ns = 0;
	state->ssrc_before = 0;
	state->newcomer.run = 0;
	state->lock = announced ? LOCK_ANNOUNCED : LOCK_LEARNED;
	return true;
}

static __always_inline bool source_held(const struct stream *stream, const struct stream_state *state)
{
	return state->lock >= LOCK_LEARNED && state->mark == stream->remote_mark;
}

/* A source on a stream that nobody holds, or that the announced one may take over. RTP must come in order for a while;
 * a DTLS handshake comes before all RTP and is believed from a near address. */
static __always_inline enum verdict source_learn(const struct stream *stream, struct stream_state *state,
						 const struct endpoint *source, const u8 *media, enum media_kind kind,
						 u64 now, u64 patience, u64 hold)
{
	enum rank rank = source_rank(stream, source);
	struct newcomer *newcomer = &state->newcomer;

	if (rank == RANK_NONE)
		return VERDICT_rtp_source;
	if (rank != RANK_ANNOUNCED) {
		if (kind == MEDIA_RTCP || (kind == MEDIA_DTLS && rank == RANK_FAR))
			return VERDICT_rtp_learning;
		if (kind == MEDIA_RTP && newcomer_run(newcomer, source, rank, *(u32 *)(media + 8),
						      BIG16(*(u16 *)(media + 2)), now, hold) < RTP_RUN)
			return VERDICT_rtp_learning;
		if (rank == RANK_FAR && now - newcomer->since_ns < patience)
			return VERDICT_rtp_learning;
	}
	return source_lock(stream, state, source, rank == RANK_ANNOUNCED) ? VERDICT_NONE : VERDICT_rtp_source;
}

/* May `source` send on this stream? */
static __always_inline enum verdict source_verdict(const struct stream *stream, struct stream_state *state,
						   const struct endpoint *source, const u8 *media, enum media_kind kind,
						   u64 now, u64 patience, u64 hold)
{
	if (source_held(stream, state)) {
		if (endpoint_equal(source, &state->source))
			return VERDICT_NONE;
		if (state->lock == LOCK_ANNOUNCED || stream->flags & STREAM_FINAL || !source_announced(stream, source))
			return VERDICT_rtp_source;
	}
	return source_learn(stream, state, source, media, kind, now, patience, hold);
}

/* The same for a stream of RTCP alone: it comes from where its RTP comes from, or from where it was announced. */
static __always_inline enum verdict control_verdict(const struct stream *stream, struct stream_state *state,
						    const struct stream_state *rtp, const struct endpoint *source)
{
	bool announced = source_announced(stream, source);
	bool beside = stream->flags & STREAM_LEARN && rtp && rtp->lock >= LOCK_LEARNED &&
		      address_equal(&source->ip, &rtp->source.ip);

	if (source_held(stream, state)) {
		if (endpoint_equal(source, &state->source))
			return VERDICT_NONE;
		if (state->lock == LOCK_ANNOUNCED || (stream->flags & STREAM_FINAL && announced))
			return VERDICT_rtp_source;
		if (!announced && rtp && address_equal(&state->source.ip, &rtp->source.ip))
			return VERDICT_rtp_source;
	}
	if (!announced && !beside)
		return rtp && rtp->lock >= LOCK_LEARNED ? VERDICT_rtp_source : VERDICT_rtp_learning;
	return source_lock(stream, state, source, announced) ? VERDICT_NONE : VERDICT_rtp_source;
}

static __always_inline void identity_take(struct stream_state *state, u32 ssrc, u16 sequence, u64 now)
{
	state->ssrc = ssrc;
	state->highest = sequence;
	state->heard_ns = now;
	state->newcomer.run = 0;
}

/* Is this RTP the stream's own: its SSRC, and a sequence near its highest? The same source may go on with others once the
 * stream has been silent for `hold` and they come in order: whoever forges its address is thus not heard while it talks.
 * An SSRC that another took the place of may come back at once, which undoes a forger's success in a pause. */
static __always_inline enum verdict identity_verdict(struct stream_state *state, const u8 *media, u64 now, u64 hold,
						     u64 ssrc_interval)
{
	u32 ssrc = *(u32 *)(media + 8);
	u16 sequence = BIG16(*(u16 *)(media + 2));
	u16 ahead = sequence - state->highest;
	bool other = ssrc != state->ssrc;
	struct bucket *changes = (void *)&state->ssrc_full_ns;

	if (!other && state->heard_ns && (ahead < RTP_AHEAD || ahead >= 65536 - RTP_BEHIND)) {
		if (ahead < RTP_AHEAD)
			state->highest = sequence;
		state->heard_ns = now;
		return VERDICT_NONE;
	}
	if (!state->heard_ns || (other && state->ssrc_before && ssrc == state->ssrc_before)) {
		state->ssrc_before = 0;
		identity_take(state, ssrc, sequence, now);
		return VERDICT_NONE;
	}
	if (newcomer_run(&state->newcomer, &state->source, RANK_ANNOUNCED, ssrc, sequence, now, 0) < RTP_RUN ||
	    now - state->heard_ns < hold || (other && !bucket_take(changes, now, SSRC_BURST, ssrc_interval)))
		return other ? VERDICT_rtp_ssrc : VERDICT_rtp_sequence;
	if (other)
		state->ssrc_before = state->ssrc;
	identity_take(state, ssrc, sequence, now);
	return VERDICT_NONE;
}

#endif
