/* The policy that a packet is judged by, and the tallies.
 *
 * The keeper writes the policy that is not in force and then turns `active` to it: one number. A packet reads that number
 * once, so that it meets the old policy or the new one and never a mixture; stages that it is handed on to read the same
 * policy by packet->policy.
 */

/* The clock, read once for a packet. */
static __always_inline u64 packet_now(struct packet *packet)
{
	if (!packet->now_ns)
		packet->now_ns = bpf_ktime_get_ns();
	return packet->now_ns;
}

static inline struct tally *count(u32 verdict, u64 bytes)
{
	struct tally *tally = tallies.lookup(&verdict);

	if (tally) {
		tally->packets++;
		tally->bytes += bytes;
	}
	return tally;
}

/* The policy in force now; the packet keeps to it. */
static inline struct policy *policy_choose(struct packet *packet)
{
	u32 zero = 0;
	u32 *now = active.lookup(&zero);
	u32 slot = now ? *now : 0;

	packet->policy = slot;
	return policies.lookup(&slot);
}

/* What a rule's verdict comes to: itself, or in report-only nothing but a count. Every rule that drops asks here. */
static inline u32 ruled(const struct policy *policy, u32 verdict, u64 bytes)
{
	struct tally *tally;
	u64 place = verdict;

	OPAQUE(place); /* else the bound is tested on a copy that the verifier does not know to be this number */
	if (place >= VERDICTS || policy->modes[place] != MODE_REPORT)
		return verdict;
	tally = tallies.lookup(&verdict);
	if (tally) {
		tally->reported++;
		tally->reported_bytes += bytes;
	}
	return VERDICT_NONE;
}
