/* How much a source may send: buckets by source and class, the speed of an interface, and the pressure of the service.
 *
 * An interface's ceiling is one bucket of bytes. Who matters less may fill a smaller part of it, so that there is always
 * room for those who matter more: strangers on service ports half, other TCP ports (ssh is one) and media for a relay
 * in userspace seven eighths, known and allowed sources and running media sessions all of it. ICMP and ARP do not count.
 */

#define EIGHTHS_STRANGER 4
#define EIGHTHS_OTHER 7
#define EIGHTHS_ALL 8

static __always_inline bool known_source(const struct packet *packet)
{
	return packet->class != SOURCE_STRANGER || packet->pair == PAIR_KNOWN;
}

/* `cost` from the bucket under this key, `depth` deep, both in ns. A source that cannot be remembered is let through. */
static inline bool within(struct bucket_key *key, u64 now, u64 cost, u64 depth)
{
	struct bucket full = {};
	struct bucket *bucket = buckets.lookup(key);

	if (bucket)
		return bucket_charge(bucket, now, cost, depth);
	if (!bucket_charge(&full, now, cost, depth))
		return false;
	buckets.update(key, &full);
	return true;
}

/* One packet from a bucket that all unknown sources share. */
static inline bool within_shared(u32 which, u64 now, u64 interval, u64 depth)
{
	struct bucket *bucket = shared_buckets.lookup(&which);

	return !interval || !bucket || bucket_charge(bucket, now, interval, depth);
}

/* One packet from the source's bucket in this lane. */
static inline bool within_bucket(struct packet *packet, u32 lane, u64 burst, u64 interval)
{
	struct bucket_key key = {.lane = lane};

	if (!interval)
		return true;
	bucket_owner(&key.ip, &packet->source);
	return within(&key, packet_now(packet), interval, burst * interval);
}

/* The whole frame from the source's bucket of bytes in this lane; the interval is in ps a byte. */
static inline bool within_bytes(struct packet *packet, u32 lane, u64 burst, u64 interval)
{
	struct bucket_key key = {.lane = lane};

	if (!interval)
		return true;
	bucket_owner(&key.ip, &packet->source);
	return within(&key, packet_now(packet), packet->bytes * interval / 1000, burst * interval / 1000);
}

/* One packet from the bucket of this device alone. */
static inline bool within_pair(struct packet *packet, u64 burst, u64 interval)
{
	struct bucket_key key = {.ip = packet->source, .lane = LANE_PAIR | (u32)packet->source_port << 16};

	if (!interval)
		return true;
	return within(&key, packet_now(packet), interval, burst * interval);
}

/* Does the service keep up? It does not when a datagram waits for it longer than pressure_delay, nor when it has given
 * no sign of life for pulse_patience. One that never gave any has no say. */
static inline bool pressed(const struct policy *policy, struct packet *packet)
{
	u32 zero = 0;
	struct pulse *beat = pulse.lookup(&zero);

	if (!beat || !beat->at_ns)
		return false;
	if (packet_now(packet) > beat->at_ns + policy->limits[LIMIT_pulse_patience])
		return true;
	return beat->delay_ns > policy->limits[LIMIT_pressure_delay];
}

/* One packet from the budget that all strangers share. Under pressure it gains so many times slower, and holds so much
 * less. */
static inline bool within_budget(const struct policy *policy, struct packet *packet)
{
	u64 burst = policy->limits[LIMIT_budget_burst], interval = policy->limits[LIMIT_budget_interval];
	u64 divisor = policy->limits[LIMIT_pressure_divisor], depth = burst * interval;

	if (interval && divisor > 1 && pressed(policy, packet)) {
		interval *= divisor;
		depth /= divisor;
	}
	return within_shared(SHARED_BUDGET, packet_now(packet), interval, depth);
}

/* One request with a valid nonce. While the service keeps up only the source's own bucket bounds them; under pressure all
 * unknown sources share one, so that a thousand real addresses do not drown the devices that are known. */
static inline u32 judge_proven(const struct policy *policy, struct packet *packet)
{
	u64 burst = policy->limits[LIMIT_proven_burst], interval = policy->limits[LIMIT_proven_interval];
	u32 verdict;

	if (!within_bucket(packet, LANE_PASS, policy->limits[LIMIT_pass_burst], policy->limits[LIMIT_pass_interval])) {
		verdict = ruled(policy, VERDICT_nonce_over_rate, packet->bytes);
		if (verdict)
			return verdict;
	}
	if (pressed(policy, packet) && !within_shared(SHARED_PROVEN, packet_now(packet), interval, burst * interval)) {
		verdict = ruled(policy, VERDICT_nonce_over_budget, packet->bytes);
		if (verdict)
			return verdict;
	}
	return VERDICT_nonce_valid;
}

/* What of the interface's ceiling this packet may use, in eighths; see above. */
static inline u32 judge_speed(const struct policy *policy, struct packet *packet, u64 eighths)
{
	u64 cost = packet->bytes * policy->limits[LIMIT_interface_interval] / 1000;
	u64 depth = policy->limits[LIMIT_interface_depth] / 8 * eighths;
	u32 place = packet->ifindex & (MAX_SPEEDS - 1);
	struct bucket *speed;

	if (!cost)
		return VERDICT_NONE;
	speed = speeds.lookup(&place);
	if (!speed || bucket_charge(speed, packet_now(packet), cost, depth))
		return VERDICT_NONE;
	return ruled(policy, VERDICT_over_speed, packet->bytes);
}

/* A later fragment: goes the way of its first one. */
static inline u32 judge_fragment(const struct policy *policy, struct packet *packet, u64 bytes)
{
	struct fragment_row *first = fragment_first(packet);
	u64 interval = policy->limits[LIMIT_fragment_interval];
	u32 verdict;

	if (first) {
		__sync_fetch_and_add(&first->later, 1);
		if (!first->passed)
			return VERDICT_fragment_refused;
		verdict = judge_speed(policy, packet, known_source(packet) ? EIGHTHS_ALL : EIGHTHS_STRANGER);
		return verdict ? verdict : VERDICT_fragment_later;
	}
	if (!within_shared(SHARED_FRAGMENT, packet_now(packet), interval, policy->limits[LIMIT_fragment_burst] * interval)) {
		verdict = ruled(policy, VERDICT_fragment_flood, bytes);
		if (verdict)
			return verdict;
	}
	verdict = judge_speed(policy, packet, EIGHTHS_STRANGER);
	return verdict ? verdict : VERDICT_fragment_unknown;
}

/* TCP to a service port: how often the source may connect, and how many bytes it may send. A flood of connections from
 * forged sources is the kernel's to answer, with SYN cookies. */
static inline u32 judge_tcp(const struct policy *policy, struct packet *packet, u64 bytes)
{
	u64 burst = policy->limits[LIMIT_tcp_burst], interval = policy->limits[LIMIT_tcp_interval];
	u32 verdict;

	if (packet->connects &&
	    !within_bucket(packet, LANE_CONNECT, policy->limits[LIMIT_connect_burst], policy->limits[LIMIT_connect_interval])) {
		verdict = ruled(policy, VERDICT_tcp_connections, bytes);
		if (verdict)
			return verdict;
	}
	return within_bytes(packet, LANE_TCP, burst, interval) ? VERDICT_NONE : ruled(policy, VERDICT_tcp_bytes, bytes);
}

/* A datagram to a service port: a device that is known has a bucket of its own, other sources one by their class. */
static inline u32 judge_rate(const struct policy *policy, struct packet *packet, u64 bytes)
{
	const u64 *limits = policy->limits;

	if (packet->pair == PAIR_KNOWN)
		return within_pair(packet, limits[LIMIT_pair_burst], limits[LIMIT_pair_interval]) ?
			       VERDICT_NONE : ruled(policy, VERDICT_over_rate_pair, bytes);
	if (packet->class == SOURCE_KNOWN)
		return within_bucket(packet, LANE_KNOWN, limits[LIMIT_known_burst], limits[LIMIT_known_interval]) ?
			       VERDICT_NONE : ruled(policy, VERDICT_over_rate_known, bytes);
	return within_bucket(packet, LANE_STRANGER, limits[LIMIT_stranger_burst], limits[LIMIT_stranger_interval]) ?
		       VERDICT_NONE : ruled(policy, VERDICT_over_rate_stranger, bytes);
}

/* A stranger's datagram that would go on to the service and proves nothing: the source's guard, and the budget that all
 * of them share. */
static inline u32 judge_guard(struct xdp_md *ctx, const struct policy *policy, struct packet *packet,
			      struct offender *offender)
{
	u64 burst = policy->limits[LIMIT_guard_burst], window = policy->limits[LIMIT_guard_window];
	u32 verdict = packet->suspect ? ruled(policy, packet->suspect, packet->bytes) : VERDICT_NONE;

	if (verdict)
		return verdict;
	offender_unauthenticated(ctx, policy, packet, offender);
	if (burst && !within_bucket(packet, LANE_GUARD, burst, window / burst)) {
		verdict = ruled(policy, VERDICT_over_guard, packet->bytes);
		if (verdict)
			return verdict;
	}
	return within_budget(policy, packet) ? VERDICT_NONE : ruled(policy, VERDICT_over_budget, packet->bytes);
}

/* A packet over its rate: counted with its source, and every slip_every-th request of a source is handed on to be
 * answered with a 503, so that an honest sender learns why it is not heard. Returns only when there is no answer. */
static inline u32 shed(struct xdp_md *ctx, const struct policy *policy, struct packet *packet, struct offender *offender,
		       u32 start, u32 verdict)
{
	u64 every = policy->limits[LIMIT_slip_every], dropped;

	if (!offender || packet->suspect)
		return verdict;
	dropped = __sync_fetch_and_add(&offender->dropped, 1) + 1;
	if (!every || start != VERDICT_sip_request || packet->group || dropped % every)
		return verdict;
	packet->slip = 1;
	packet->over = verdict;
	packet->sniffed = start;
	stages.call(ctx, STAGE_read);
	packet->slip = 0;
	return verdict;
}
