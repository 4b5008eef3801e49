/* How much a source may send. */

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

static inline u32 judge_fragment(const struct policy *policy, const struct packet *packet, u64 bytes)
{
	u64 burst = policy->limits[LIMIT_fragment_burst];

	if (within_bucket(packet, LANE_FRAGMENT, burst, policy->limits[LIMIT_fragment_interval]) ||
	    !ruled(policy, VERDICT_fragment_flood, bytes))
		return VERDICT_fragment_later;
	return VERDICT_fragment_flood;
}

/* The source's bucket on service ports: generous when it is known, strict when it is not. */
static inline u32 judge_rate(const struct policy *policy, const struct packet *packet, u64 bytes)
{
	bool known = packet->class == SOURCE_KNOWN || packet->pair == PAIR_KNOWN;
	u64 burst = known ? policy->limits[LIMIT_known_burst] : policy->limits[LIMIT_stranger_burst];
	u64 interval = known ? policy->limits[LIMIT_known_interval] : policy->limits[LIMIT_stranger_interval];

	if (within_bucket(packet, LANE_SERVICE, burst, interval))
		return VERDICT_NONE;
	return ruled(policy, known ? VERDICT_over_rate_known : VERDICT_over_rate_stranger, bytes);
}
