/* The stage that drops scanners: between the reading of a stranger's request and the check of its form, so that odd forms
 * are asked too. What makes a scanner is in scanner.h. */

/* The list in force. */
static inline struct scanners *scanners_row(void)
{
	u32 zero = 0;
	u32 *now = scanners_active.lookup(&zero);
	u32 slot = now ? *now & 1 : 0;

	return scanners.lookup(&slot);
}

static inline u32 judge_scanner(struct reading *reading, const struct scanners *known, const struct policy *policy,
				const struct packet *packet)
{
	u32 verdict = VERDICT_NONE;

	if (scanner_agent(reading, known))
		verdict = ruled(policy, VERDICT_scanner_agent, packet->bytes);
	if (!verdict && scanner_shape(reading, known))
		verdict = ruled(policy, VERDICT_scanner_shape, packet->bytes);
	return verdict;
}

static inline u32 look_for_scanner(struct xdp_md *ctx)
{
	struct reading *reading = reading_row();
	struct packet *packet = packet_row();
	struct scanners *known = scanners_row();
	struct policy *policy;
	u32 verdict;

	if (!reading || !packet || !known)
		return VERDICT_gate_fault;
	policy = policy_of(packet);
	if (!policy)
		return VERDICT_gate_fault;
	verdict = judge_scanner(reading, known, policy, packet);
	if (verdict)
		return verdict;
	stages.call(ctx, STAGE_check);
	return VERDICT_gate_fault;
}

int scan(struct xdp_md *ctx)
{
	return leave(ctx, look_for_scanner(ctx));
}
