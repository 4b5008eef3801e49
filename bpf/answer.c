/* Stages that write the answer to a request and turn its frame round: 401 and 407, 200 to OPTIONS and to registrations
 * that say nothing new, 503, and the keepalive's CRLF. request.c decided which.
 */

/* The answer's first half: what it copies of the request. */
static inline void write_request(struct reading *reading, const struct packet *packet)
{
	put_top_via(reading, packet);
#pragma clang loop unroll(disable)
	for (u64 i = 1; i < MAX_VIAS; i++) {
		OPAQUE(i);
		if (i >= MAX_VIAS || i >= reading->vias)
			break;
		put_copy(reading, reading->via_at[i & (MAX_VIAS - 1)], reading->via_bytes[i & (MAX_VIAS - 1)]);
		NEVER_ENDING;
	}
	put_header(reading, HEADER_FROM);
	put_to(reading);
	put_header(reading, HEADER_CALL_ID);
	put_header(reading, HEADER_CSEQ);
}

/* The second half, which was ready; without Server when the answer would be too long with it. */
static inline void write_rest(struct reading *reading, const struct policy *policy, const struct packet *packet)
{
	const struct answer_text *text = &policy->challenge.answers[reading->kind & (ANSWERS - 1)];
	u32 begin = reading->answer_bytes;

	if (answer_fits(reading, begin + text->rest_bytes)) {
		put_text(reading, text->rest, text->rest_bytes, ANSWER_REST);
	} else {
		put_text(reading, text->rest, text->lean_bytes, ANSWER_REST);
		put_eight(reading, EIGHT("\r\n\0\0\0\0\0\0"), 2);
	}
	if (text->nonce_at)
		nonce_write(reading->answer + place_in(begin + text->nonce_at), &policy->challenge, reading->now_s,
			    bpf_get_prandom_u32(), &packet->source);
}

static inline u32 write_answer(struct xdp_md *ctx)
{
	struct reading *reading = reading_row();
	struct packet *packet = packet_row();
	const struct answer_text *text;
	struct policy *policy;

	if (!reading || !packet)
		return VERDICT_gate_fault;
	policy = policy_of(packet);
	if (!policy)
		return VERDICT_gate_fault;
	text = &policy->challenge.answers[reading->kind & (ANSWERS - 1)];
	put_text(reading, text->status, text->status_bytes, ANSWER_STATUS);
	write_request(reading, packet);
	if (reading->kind == ANSWER_registered && !write_registration(reading, packet))
		return packet->sniffed;
	write_rest(reading, policy, packet);
	if (reading->odd || !answer_fits(reading, reading->answer_bytes))
		return unanswered(ctx, policy, packet);
	stages.call(ctx, STAGE_answer);
	return VERDICT_gate_fault;
}

int write(struct xdp_md *ctx)
{
	return leave(ctx, write_answer(ctx));
}

/* The frame's headers, turned round for an answer of `bytes` bytes. Returns where its UDP header is, or NULL. */
static inline struct udp_header *turn_round(struct xdp_md *ctx, struct packet *packet, u32 bytes,
					    const struct endpoint *from, const struct endpoint *to)
{
	bool ip4 = address_is_ip4(&to->ip);
	u32 headers;
	struct hop hop = {};
	int grow;
	u8 *at;

	if ((void *)(long)ctx->data + ETH_HLEN > (void *)(long)ctx->data_end)
		return NULL;
	hop_learn(&hop, (void *)(long)ctx->data, packet);
	headers = headers_bytes(&hop, ip4) + sizeof(struct udp_header);
	grow = (int)(headers + bytes) - (int)packet->bytes;
	if (grow > 0 ? bpf_xdp_adjust_head(ctx, -grow) : grow < 0 && bpf_xdp_adjust_tail(ctx, grow))
		return NULL;
	packet->payload_bytes = bytes;
	packet->flow = 0;
	packet->ip4_id = 0;
	packet->ip4_keep = 0;
	packet->hops = ANSWER_HOPS + 1;
	at = hop_write((void *)(long)ctx->data, (void *)(long)ctx->data_end, &hop, ip4);
	if (!at)
		return NULL;
	packet->offset = headers - sizeof(struct udp_header);
	if (ip4 ? !ip4_write(at, (void *)(long)ctx->data_end, packet, from, to) :
		  !ip6_write(at, (void *)(long)ctx->data_end, packet, from, to))
		return NULL;
	return (void *)(at + (ip4 ? sizeof(struct ip4_header) : sizeof(struct ip6_header)));
}

/* The UDP checksum over the answer, and the header's fields as they stand in network order. */
static inline u16 answer_checksum(struct reading *reading, u64 bytes, const struct endpoint *from, const struct endpoint *to)
{
	u32 length = bytes + sizeof(struct udp_header);
	u64 sum;

	eight_put(reading->answer + place_in(bytes), 0);
	sum = sum_buffer((u32 *)reading->answer, bytes);
	sum += (u64)from->port + to->port + BIG16(length);
	return udp6_checksum(sum, length, from, to);
}

static inline u32 send_answer(struct xdp_md *ctx)
{
	struct reading *reading = reading_row();
	struct packet *packet = packet_row();
	struct endpoint from = {}, to = {};
	struct udp_header *udp;
	u64 bytes;
	u16 checksum;

	if (!reading || !packet)
		return VERDICT_gate_fault;
	from.ip = packet->target;
	from.port = packet->target_port;
	to.ip = packet->source;
	to.port = reading->reply_port;
	bytes = reading->answer_bytes;
	udp = turn_round(ctx, packet, bytes, &from, &to);
	if (!udp)
		return VERDICT_gate_fault;
	checksum = answer_checksum(reading, bytes, &from, &to);
	if (!udp_seal(udp, (void *)(long)ctx->data_end, checksum))
		return VERDICT_gate_fault;
	udp->length = BIG16((u32)bytes + sizeof(*udp));
	OPAQUE(bytes);
	if (bytes > ANSWER_MOST)
		return VERDICT_gate_fault;
	OPAQUE(bytes);
	if (bytes < 2 || bpf_xdp_store_bytes(ctx, packet->offset + sizeof(struct udp_header), reading->answer, bytes))
		return VERDICT_gate_fault;
	return packet->verdict;
}

int answer(struct xdp_md *ctx)
{
	return leave(ctx, send_answer(ctx));
}
