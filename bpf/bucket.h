/* Token bucket in nanoseconds. Pure: knows no map and no clock.
 *
 * A bucket is one number: the instant at which it will be full again (the generic cell rate algorithm of ITU-T I.371).
 * A packet is let through while that instant is less than burst intervals away, and moves it by one interval.
 * Two CPUs that take at the same instant may both get the last token: the limit is soft by the number of CPUs.
 */
#ifndef BUCKET_H
#define BUCKET_H


/* `cost` from a bucket that is `depth` deep, both in ns: the time in which it would gain as much. */
static __always_inline bool bucket_charge(struct bucket *bucket, u64 now, u64 cost, u64 depth)
{
	u64 full = bucket->full_ns;

	if (full < now) {
		if (cost > depth)
			return false;
		bucket->full_ns = now + cost;
		return true;
	}
	if (full - now + cost > depth)
		return false;
	__sync_fetch_and_add(&bucket->full_ns, cost);
	return true;
}

/* One packet from a bucket of `burst` packets that gains one every `interval` ns; an interval of 0: no limit. */
static __always_inline bool bucket_take(struct bucket *bucket, u64 now, u64 burst, u64 interval)
{
	return !interval || bucket_charge(bucket, now, interval, burst * interval);
}

/* Whose bucket a source draws from: an IPv4 address its own, an IPv6 address that of its /64. */
static __always_inline void bucket_owner(struct address *owner, const struct address *source)
{
	*owner = *source;
	if (!address_is_ip4(source)) {
		owner->word[2] = 0;
		owner->word[3] = 0;
	}
}

#endif
