/* Stages that read a SIP request and judge it: what is answered from here, what goes on to the service.
 *
 *   read -> lines (again while there are more) -> scan (strangers) -> check -> decide -> write -> answer
 *
 * The last two are in answer.c, `scan` in scan.c. They are programs of their own, because the verifier follows only so
 * much at a time; what one learned lies in the packet's and the reading's rows for the next. Every one hands on or ends
 * in leave(). What a request must look like to be answered is strict (grammar.py): all else goes on to the service,
 * strangers' through one small bucket.
 */

static inline struct reading *reading_row(void)
{
	u32 zero = 0;

	return readings.lookup(&zero);
}

static inline struct packet *packet_row(void)
{
	u32 zero = 0;

	return packets.lookup(&zero);
}

static inline struct policy *policy_of(const struct packet *packet)
{
	u32 slot = packet->policy;

	return policies.lookup(&slot);
}

/* The end of a stage that has not handed the packet on. */
static inline int leave(struct xdp_md *ctx, u32 verdict)
{
	struct packet *packet = packet_row();

	if (!packet)
		return XDP_ABORTED;
	packet->verdict = verdict;
	return settle(ctx, verdict, packet->bytes, XDP_ABORTED);
}

/* A stranger's request that proves nothing: as if nobody had read it. */
static inline u32 judge_unproven(struct xdp_md *ctx, const struct policy *policy, struct packet *packet)
{
	u32 verdict;

	if (known_source(packet))
		return packet->sniffed;
	verdict = judge_guard(ctx, policy, packet, offender_of(packet));
	return verdict ? verdict : packet->sniffed;
}

/* A stranger's request that is not answered here, though it should be: one bucket for all of them. */
static inline u32 judge_odd(const struct policy *policy, struct packet *packet)
{
	u64 interval = policy->limits[LIMIT_odd_interval];
	u32 verdict = packet->suspect ? ruled(policy, packet->suspect, packet->bytes) : VERDICT_NONE;

	if (verdict)
		return verdict;
	if (within_shared(SHARED_ODD, packet_now(packet), interval, policy->limits[LIMIT_odd_burst] * interval) ||
	    !ruled(policy, VERDICT_odd_over_rate, packet->bytes))
		return VERDICT_sip_odd;
	return VERDICT_odd_over_rate;
}

/* What becomes of a request that cannot be answered here. */
static inline u32 unanswered(struct xdp_md *ctx, const struct policy *policy, struct packet *packet)
{
	if (packet->slip)
		return packet->over;
	if (known_source(packet) || !policy->challenge.enabled)
		return judge_unproven(ctx, policy, packet);
	return judge_odd(policy, packet);
}

/* The datagram's bytes into the reading. False: it is shorter or longer than what is read here. */
static inline bool load_message(struct xdp_md *ctx, struct reading *reading, const struct packet *packet)
{
	u64 bytes = packet->payload_bytes;
	u32 offset = packet->offset + sizeof(struct udp_header);

	OPAQUE(bytes);
	if (bytes > MESSAGE_MOST)
		return false;
	OPAQUE(bytes); /* else both comparisons become one, which Linux 6.1 cannot follow */
	if (bytes < MESSAGE_LEAST)
		return false;
	return !bpf_xdp_load_bytes(ctx, offset, reading->message, bytes);
}

/* A known source's keepalive: double CRLF is answered with one, a single one wants none (RFC 5626 4.4.1). Returns when
 * there is no answer. */
static inline u32 answer_keepalive(struct xdp_md *ctx, struct reading *reading, struct packet *packet)
{
	u32 *word = (void *)reading->message;

	if (packet->payload_bytes == 2)
		return VERDICT_keepalive_absorbed;
	if (packet->payload_bytes != 4 ||
	    bpf_xdp_load_bytes(ctx, packet->offset + sizeof(struct udp_header), word, 4) || *word != CRLF_CRLF)
		return VERDICT_sip_keepalive;
	reading->answer_bytes = 0;
	put_eight(reading, EIGHT("\r\n\0\0\0\0\0\0"), 2);
	reading->reply_port = packet->source_port;
	packet->verdict = VERDICT_keepalive_answered;
	stages.call(ctx, STAGE_answer);
	return VERDICT_gate_fault;
}

static inline u32 take_in(struct xdp_md *ctx)
{
	struct reading *reading = reading_row();
	struct packet *packet = packet_row();
	struct policy *policy;

	if (!reading || !packet)
		return VERDICT_gate_fault;
	policy = policy_of(packet);
	if (!policy)
		return VERDICT_gate_fault;
	if (packet->sniffed == VERDICT_sip_keepalive)
		return answer_keepalive(ctx, reading, packet);
	if (!load_message(ctx, reading, packet))
		return unanswered(ctx, policy, packet);
	reading_begin(reading, packet->payload_bytes);
	reading_scan(reading);
	stages.call(ctx, STAGE_lines);
	return VERDICT_gate_fault;
}

int read(struct xdp_md *ctx)
{
	return leave(ctx, take_in(ctx));
}

static inline u32 find_lines(struct xdp_md *ctx)
{
	struct reading *reading = reading_row();
	struct packet *packet = packet_row();

	if (!reading || !packet)
		return VERDICT_gate_fault;
	if (!read_lines(reading))
		stages.call(ctx, STAGE_lines);
	if (!known_source(packet))
		stages.call(ctx, STAGE_scan);
	stages.call(ctx, STAGE_check);
	return VERDICT_gate_fault;
}

int lines(struct xdp_md *ctx)
{
	return leave(ctx, find_lines(ctx));
}

/* The six lines that an answer needs are there, and of the form that is answered. */
static inline bool well_formed(struct reading *reading, const struct grammar *grammar)
{
	u32 vias = reading->vias;
	u32 found;

	if (reading->odd || !reading->head_end || !vias || reading->count[HEADER_FROM] != 1 ||
	    reading->count[HEADER_TO] != 1 || reading->count[HEADER_CALL_ID] != 1 || reading->count[HEADER_CSEQ] != 1)
		return false;
	if (line_verdict(reading, grammar, RULE_request, 0) != LINE_ACCEPTED)
		return false;
	found = line_verdict(reading, grammar, RULE_via, reading->value_at[HEADER_VIA]);
	reading->has_rport = found == LINE_MARKED;
	if (found == LINE_REFUSED || line_verdict(reading, grammar, RULE_address, reading->value_at[HEADER_FROM]) == LINE_REFUSED)
		return false;
	found = line_verdict(reading, grammar, RULE_address, reading->value_at[HEADER_TO]);
	reading->has_to_tag = found == LINE_MARKED;
	return found != LINE_REFUSED;
}

/* The rest of well_formed(): identifiers, and the Vias below the top one. */
static inline bool well_numbered(struct reading *reading, const struct grammar *grammar)
{
	if (reading->length[HEADER_CALL_ID] > CALL_ID_MOST)
		return false;
	if (line_verdict(reading, grammar, RULE_call_id, reading->value_at[HEADER_CALL_ID]) != LINE_ACCEPTED ||
	    line_verdict(reading, grammar, RULE_cseq, reading->value_at[HEADER_CSEQ]) != LINE_ACCEPTED)
		return false;
	reading->method_bytes = method_length(reading->message);
	return cseq_fits(reading);
}

static inline bool lower_vias_formed(struct reading *reading, const struct grammar *grammar)
{
#pragma clang loop unroll(disable)
	for (u64 i = 1; i < MAX_VIAS; i++) {
		u32 start, name_bytes = 3;

		OPAQUE(i);
		if (i >= MAX_VIAS || i >= reading->vias)
			break;
		start = reading->via_at[i & (MAX_VIAS - 1)];
		if (reading->message[place_in(start + 1)] == ':')
			name_bytes = 1;
		if (line_verdict(reading, grammar, RULE_vias, start + name_bytes + 1) != LINE_ACCEPTED)
			return false;
		NEVER_ENDING;
	}
	return true;
}

static inline u32 check_form(struct xdp_md *ctx)
{
	struct reading *reading = reading_row();
	struct packet *packet = packet_row();
	u32 zero = 0;
	struct grammar *grammar = grammars.lookup(&zero);
	struct policy *policy;

	if (!reading || !packet || !grammar)
		return VERDICT_gate_fault;
	policy = policy_of(packet);
	if (!policy)
		return VERDICT_gate_fault;
	if (!well_formed(reading, grammar) || !well_numbered(reading, grammar) || !lower_vias_formed(reading, grammar))
		return unanswered(ctx, policy, packet);
	tag_make(reading, policy->challenge.tag_key);
	via_find(reading);
	reading->reply_port = reading->has_rport ? packet->source_port : BIG16(sent_by_port(reading));
	stages.call(ctx, STAGE_decide);
	return VERDICT_gate_fault;
}

int check(struct xdp_md *ctx)
{
	return leave(ctx, check_form(ctx));
}

/* Without rport the answer goes to a port that the request names, or to one of its own that is nobody's phone: not from
 * here (RFC 3261 18.2.2). */
static inline bool port_doubtful(const struct reading *reading, const struct packet *packet)
{
	return !reading->has_rport &&
	       (BIG16(reading->reply_port) < FIRST_FREE_PORT || BIG16(packet->source_port) < FIRST_FREE_PORT);
}

/* The best of the nonces that a request brings. `none`: not one of its credentials has a nonce. */
static inline u32 judge_nonces(struct reading *reading, const struct policy *policy, const struct packet *packet, bool *none)
{
	u32 best = NONCE_FORGED, found;

	*none = reading->credentials;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < MAX_CREDENTIALS; i++) {
		OPAQUE(i);
		if (i >= MAX_CREDENTIALS || i >= reading->credentials)
			break;
		nonce_find(reading, reading->credentials_at[i & (MAX_CREDENTIALS - 1)],
			   reading->credentials_bytes[i & (MAX_CREDENTIALS - 1)]);
		if (!reading->nonce_at)
			continue;
		*none = false;
		found = nonce_judge(reading->message + place_in(reading->nonce_at), &policy->challenge, reading->now_s,
				    &packet->source);
		if (found == NONCE_VALID)
			return found;
		if (found == NONCE_OLD)
			best = found;
		NEVER_ENDING;
	}
	return best;
}

/* A stranger's REGISTER or INVITE out of dialog. VERDICT_NONE: it gets the answer of reading->kind. */
static inline u32 judge_stranger(struct reading *reading, const struct policy *policy, struct packet *packet, bool proxy)
{
	bool none;
	u32 nonce;

	reading->now_s = (packet_now(packet) + policy->challenge.boot_ns) / SECOND_NS;
	nonce = judge_nonces(reading, policy, packet, &none);
	if (nonce == NONCE_VALID) {
		packet->proven = 1;
		return judge_proven(policy, packet);
	}
	if (none || port_doubtful(reading, packet))
		return judge_odd(policy, packet);
	if (reading->credentials && nonce == NONCE_FORGED)
		count(VERDICT_nonce_forged, packet->bytes);
	reading->kind = (proxy ? ANSWER_proxy : ANSWER_unauthorized) + (nonce == NONCE_OLD);
	packet->verdict = nonce == NONCE_OLD ? VERDICT_challenge_stale :
			  proxy ? VERDICT_challenge_407 : VERDICT_challenge_401;
	return VERDICT_NONE;
}

static inline u32 judge_known(struct reading *reading, struct packet *packet, u64 method)
{
	if (port_doubtful(reading, packet) || reading->count[HEADER_REQUIRE])
		return packet->sniffed;
	if (registration_mark(reading) && refresh_find(packet, reading, packet_now(packet))) {
		reading->kind = ANSWER_registered;
		packet->verdict = VERDICT_registration_answered;
		return VERDICT_NONE;
	}
	if (method != EIGHT("OPTIONS "))
		return packet->sniffed;
	reading->kind = ANSWER_options;
	packet->verdict = VERDICT_options_answered;
	return VERDICT_NONE;
}

/* What becomes of a well-formed request. VERDICT_NONE: it is answered, and packet->verdict says as what. */
static inline u32 judge_request(struct xdp_md *ctx, struct reading *reading, const struct policy *policy,
				struct packet *packet)
{
	u64 method = eight_at(reading->message);
	bool invite = (method & 0xffffffffffffffull) == EIGHT("INVITE \0");

	if ((method & 0xffffffff) == EIGHT("ACK \0\0\0\0")) {
		if (tag_is_ours(reading))
			return VERDICT_ack_absorbed;
		return packet->slip ? packet->over : judge_unproven(ctx, policy, packet);
	}
	if (packet->slip) {
		if (port_doubtful(reading, packet))
			return packet->over;
		reading->kind = ANSWER_unavailable;
		packet->verdict = VERDICT_slip_503;
		return VERDICT_NONE;
	}
	/* A REGISTER is part of no dialog: a tag does not carry it past the question who it is from. */
	if (reading->has_to_tag && (known_source(packet) || method != EIGHT("REGISTER")))
		return judge_unproven(ctx, policy, packet);
	if (known_source(packet))
		return judge_known(reading, packet, method);
	if (!policy->challenge.enabled || (!invite && method != EIGHT("REGISTER")))
		return judge_unproven(ctx, policy, packet);
	return judge_stranger(reading, policy, packet, invite);
}

static inline u32 judge(struct xdp_md *ctx)
{
	struct reading *reading = reading_row();
	struct packet *packet = packet_row();
	struct policy *policy;
	u32 verdict;

	if (!reading || !packet)
		return VERDICT_gate_fault;
	policy = policy_of(packet);
	if (!policy)
		return VERDICT_gate_fault;
	verdict = judge_request(ctx, reading, policy, packet);
	if (verdict)
		return verdict;
	stages.call(ctx, STAGE_write);
	return VERDICT_gate_fault;
}

int decide(struct xdp_md *ctx)
{
	return leave(ctx, judge(ctx));
}
