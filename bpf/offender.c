/* What each source did on service ports, in windows of time. An IPv6 source is its /64.
 *
 * A window begins with its first packet. The one packet that passes a window's limit is reported as an offence; what
 * follows from it is decided in userspace, and the source is counted on.
 */

/* The source's row, made when there is none. NULL: there is no room. */
static inline struct offender *offender_of(struct packet *packet)
{
	struct address owner;
	struct offender fresh = {};
	struct offender *offender;

	bucket_owner(&owner, &packet->source);
	offender = offenders.lookup(&owner);
	if (!offender) {
		fresh.since_ns = packet_now(packet);
		offenders.update(&owner, &fresh);
		offender = offenders.lookup(&owner);
	}
	if (offender)
		offender->last_ns = packet_now(packet);
	return offender;
}

/* One more in a window that lasts `window` ns; how many that makes. */
static __always_inline u64 window_count(u64 *seen, u64 *since_ns, u64 now, u64 window)
{
	if (now > *since_ns && now - *since_ns > window) {
		*since_ns = now;
		*seen = 0;
	}
	return __sync_fetch_and_add(seen, 1) + 1;
}

/* A message of any kind. */
static inline struct offender *offender_message(struct xdp_md *ctx, const struct policy *policy, struct packet *packet)
{
	struct offender *offender = offender_of(packet);
	u64 window = policy->limits[LIMIT_messages_window], seen;

	if (!offender)
		return NULL;
	seen = window_count(&offender->messages, &offender->messages_since_ns, packet_now(packet), window);
	if (seen == policy->limits[LIMIT_messages_most] + 1)
		offence(ctx, packet, RULE_maxsubsmmsgcount, seen, offender->messages_since_ns);
	return offender;
}

/* A malformed or meaningless message. */
static inline void offender_wrong(struct xdp_md *ctx, const struct policy *policy, struct packet *packet,
				  struct offender *offender)
{
	u64 window = policy->limits[LIMIT_wrong_window], seen;

	if (!offender)
		return;
	seen = window_count(&offender->wrong, &offender->wrong_since_ns, packet_now(packet), window);
	if (seen == policy->limits[LIMIT_wrong_most] + 1)
		offence(ctx, packet, RULE_maxwrongmsgallowed, seen, offender->wrong_since_ns);
}

/* A stranger's message that brings no proof of anything. */
static inline void offender_unauthenticated(struct xdp_md *ctx, const struct policy *policy, struct packet *packet,
					    struct offender *offender)
{
	u64 window = policy->limits[LIMIT_guard_window], seen;

	if (!offender)
		return;
	seen = window_count(&offender->unauthenticated, &offender->unauthenticated_since_ns, packet_now(packet), window);
	if (seen == policy->limits[LIMIT_guard_burst] + 1)
		offence(ctx, packet, RULE_fastauthsubswrongusermsg, seen, offender->unauthenticated_since_ns);
}
