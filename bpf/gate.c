/* The gate: the walk of a packet.
 *
 *   parse -> allowed? -> known or banned device? -> banned? -> media range -> service port? -> rates -> SIP? -> settle
 *
 * There is one exit, settle(), which counts the verdict and acts as verdicts.def says. Files that touch maps are rooms
 * with the ending .c: the loader puts their text in the place of their #include, because bcc rewrites map calls in the
 * main file alone. Everything else is in headers that know no map.
 */
#include <uapi/linux/bpf.h>
#include <uapi/linux/if_ether.h>

#include "layout.h"
#include "parse.h"
#include "bucket.h"
#include "sip.h"
#include "relay.h"
#include "maps.c"
#include "policy.c"
#include "evidence.c"
#include "firewall.c"
#include "source.c"
#include "rate.c"
#include "media.c"

#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#define ACTION_NOTE XDP_ABORTED
#define ACTION_ABORT XDP_ABORTED
#define ACTION_FORWARD forward_action

static inline int action_of(u32 verdict, int forward_action)
{
	switch (verdict) {
#define VERDICT(name, action, text) \
	case VERDICT_##name:        \
		return ACTION_##action;
#include "verdicts.def"
#undef VERDICT
	}
	return XDP_ABORTED;
}

/* The one exit: counts the verdict, keeps a sample of what is dropped, and does what verdicts.def says. */
static inline int settle(struct xdp_md *ctx, u32 verdict, u64 bytes, int forward_action)
{
	int action = action_of(verdict, forward_action);
	u32 zero = 0;
	struct packet *packet;

	count(verdict, bytes);
	if (action != XDP_DROP)
		return action;
	packet = packets.lookup(&zero);
	if (packet)
		sample_drop(ctx, packet, verdict);
	return action;
}

/* A packet to a service port. */
static inline u32 judge_service(const struct policy *policy, const struct cursor *cursor, const struct packet *packet,
				u64 bytes)
{
	u32 verdict = judge_rate(policy, packet, bytes);

	if (verdict)
		return verdict;
	if (packet->protocol == PROTOCOL_TCP)
		return VERDICT_tcp_service;
	if (packet->fragment)
		return VERDICT_sip_fragment;
	return sip_sniff(cursor->at + sizeof(struct udp_header), cursor->end, packet->payload_bytes);
}

/* UDP or TCP whose ports are known. */
static inline u32 judge_ports(struct xdp_md *ctx, const struct policy *policy, const struct cursor *cursor,
			      const struct packet *packet, u64 bytes, int *action)
{
	struct service_port service = {.port = packet->target_port, .protocol = packet->protocol};
	u16 port = BIG16(packet->target_port);

	if (packet->protocol == PROTOCOL_UDP && port >= policy->relay_first && port <= policy->relay_last) {
		if (!policy->relay_here)
			return VERDICT_rtp_to_user;
		return relay(ctx, policy, cursor, packet, bytes, action);
	}
	if (packet->class == SOURCE_ALLOWED)
		return VERDICT_source_allowed;
	if (!service_ports.lookup(&service))
		return VERDICT_other_port;
	return judge_service(policy, cursor, packet, bytes);
}

static inline u32 walk(struct xdp_md *ctx, u64 bytes, int *action)
{
	struct cursor cursor = {
		.start = (void *)(long)ctx->data,
		.at = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	u32 zero = 0, verdict;
	struct packet *packet = packets.lookup(&zero);
	struct policy *policy;

	if (!packet)
		return VERDICT_gate_fault;
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->ifindex = ctx->ingress_ifindex; /* here alone: compilers share the address of late reads, and it is refused */
	packet->bytes = bytes;
	policy = policy_choose(packet);
	if (!policy)
		return VERDICT_gate_fault;
	verdict = parse_packet(&cursor, packet);
	if (verdict)
		return verdict;
	verdict = judge_source(policy, packet, bytes);
	if (verdict)
		return verdict;
	if (packet->fragment == FRAGMENT_LATER)
		return packet->class == SOURCE_ALLOWED ? VERDICT_source_allowed : judge_fragment(policy, packet, bytes);
	cursor.at = cursor.start + (packet->offset & OFFSET_MASK);
	return judge_ports(ctx, policy, &cursor, packet, bytes, action);
}

int gate(struct xdp_md *ctx)
{
	u64 bytes = ctx->data_end - ctx->data;
	int action = XDP_ABORTED;
	u32 verdict = walk(ctx, bytes, &action);

	return settle(ctx, verdict, bytes, action);
}
