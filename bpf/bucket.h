/* Token bucket in nanoseconds. Pure: knows no map and no clock.
 *
 * A bucket is one number: the instant at which it will be full again (the generic cell rate algorithm of ITU-T I.371).
 * A packet is let through while that instant is less than burst intervals away, and moves it by one interval.
 * Two CPUs that take at the same instant may both get the last token: the limit is soft by the number of CPUs.
 */
#ifndef BUCKET_H
#define BUCKET_H

static __always_inline bool bucket_take(struct bucket *bucket, u64 now, u64 burst, u64 interval)
{
	u64 full = bucket->full_ns;

	if (!interval)
		return true;
	if (full < now)
		full = now;
	if (full - now + interval > burst * interval)
		return false;
	bucket->full_ns = full + interval;
	return true;
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
