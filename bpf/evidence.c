/* What the gate remembers of those whom it refuses.
 *
 * Two ring buffers, which the keeper empties: `offences` (a source passed a limit) and `samples` (a dropped packet, at
 * most one of each verdict in sample_interval on each CPU, so that a flood costs a look at the clock). Nobody is woken;
 * a ring that is full loses the record and counts it in `losses`.
 */

static inline void lost(u32 what)
{
	u64 *records = losses.lookup(&what);

	if (records)
		*records += 1;
}

/* The beginning of the frame as it is now; how many bytes that was. What lies behind them in a record is an older one's. */
static inline u32 frame_begin(struct xdp_md *ctx, u8 *frame, u64 bytes)
{
	u64 kept = bytes < EVIDENCE_BYTES ? bytes : EVIDENCE_BYTES;

	OPAQUE(kept);
	kept = (kept - 1) & (EVIDENCE_BYTES - 1); /* Linux 6.1 learns nothing from a comparison with 0 */
	OPAQUE(kept);
	kept++;
	return bpf_xdp_load_bytes(ctx, 0, frame, kept) ? 0 : kept;
}

/* The packet's source has passed the limit of `rule`: `seen` packets since `since_ns`. Call it once for a window. */
static inline void offence(struct xdp_md *ctx, const struct packet *packet, u32 rule, u64 seen, u64 since_ns)
{
	struct offence *record = offences.ringbuf_reserve(sizeof(struct offence));

	if (!record)
		return lost(LOSS_OFFENCE);
	record->since_ns = since_ns;
	record->at_ns = bpf_ktime_get_ns();
	record->count = seen;
	record->source.ip = packet->source;
	record->source.port = packet->source_port;
	record->source.zero = 0;
	record->rule = rule;
	record->verdict = packet->verdict;
	record->kept = frame_begin(ctx, record->frame, packet->bytes);
	offences.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* Keeps a sample of a dropped packet, if one is due. The coarse clock moves with the timer's tick, and costs nothing. */
static inline void sample_drop(struct xdp_md *ctx, const struct policy *policy, const struct packet *packet,
			       struct tally *tally, u32 verdict)
{
	u64 now = bpf_ktime_get_coarse_ns(), last = tally->sampled_ns;
	struct sample *record;

	if (last && now - last < policy->limits[LIMIT_sample_interval])
		return;
	tally->sampled_ns = now;
	record = samples.ringbuf_reserve(sizeof(struct sample));
	if (!record)
		return lost(LOSS_SAMPLE);
	record->at_ns = bpf_ktime_get_ns();
	record->verdict = verdict;
	record->ifindex = packet->ifindex;
	record->bytes = packet->bytes;
	record->kept = frame_begin(ctx, record->frame, packet->bytes);
	samples.ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}
