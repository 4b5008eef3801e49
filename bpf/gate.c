/* The gate: the walk of a packet.
 *
 *   parse -> allowed? -> banned? -> known or banned device? -> media range -> service port? -> rates -> SIP? -> settle
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
#include "siphash.h"
#include "sipread.h"
#include "nonce.h"
#include "parts.h"
#include "reply.h"
#include "scanner.h"
#include "maps.c"
#include "policy.c"
#include "evidence.c"
#include "offender.c"
#include "fragment.c"
#include "firewall.c"
#include "source.c"
#include "rate.c"
#include "media.c"

#define ACTION_PASS XDP_PASS
#define ACTION_DROP XDP_DROP
#define ACTION_NOTE XDP_ABORTED
#define ACTION_ABORT XDP_ABORTED
#define ACTION_FORWARD forward_action
#define ACTION_REPLY XDP_TX

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

/* A packet that is to be dropped: keeps a sample. With its verdict in report-only it passes instead: what is a rule has
 * asked ruled() before and never comes here so; what ends the walk by itself, as a malformed packet does, comes here. */
static inline int settle_drop(struct xdp_md *ctx, u32 verdict, u64 bytes)
{
	u32 zero = 0, slot;
	struct packet *packet = packets.lookup(&zero);
	struct policy *policy = NULL;
	struct tally *tally;

	if (packet) {
		slot = packet->policy;
		policy = policies.lookup(&slot);
		if (policy && !ruled(policy, verdict, bytes)) {
			count(VERDICT_report_only, bytes);
			return XDP_PASS;
		}
	}
	tally = count(verdict, bytes);
	if (policy && tally)
		sample_drop(ctx, policy, packet, tally, verdict);
	return XDP_DROP;
}

/* The one exit: counts the verdict and does what verdicts.def says. */
static inline int settle(struct xdp_md *ctx, u32 verdict, u64 bytes, int forward_action)
{
	int action = action_of(verdict, forward_action);

	if (action == XDP_DROP)
		return settle_drop(ctx, verdict, bytes);
	count(verdict, bytes);
	return action;
}

#include "refresh.c"
#include "request.c"
#include "answer.c"
#include "scan.c"

static __always_inline bool wrong_message(u32 start)
{
	return start == VERDICT_sip_garbage || start == VERDICT_sip_stun;
}

/* Known sources' requests that the kernel may answer. */
static __always_inline bool answered_here(const struct policy *policy, const struct cursor *cursor)
{
	const u8 *at = cursor->at + sizeof(struct udp_header);

	if ((void *)(at + 8) > cursor->end)
		return false;
	if (eight_at(at) == EIGHT("REGISTER"))
		return policy->limits[LIMIT_answer_registrations];
	return policy->challenge.enabled && eight_at(at) == EIGHT("OPTIONS ");
}

/* Is the datagram for the stages that read and answer? */
static __always_inline bool read_on(const struct policy *policy, const struct cursor *cursor, const struct packet *packet,
				    u32 start)
{
	if (start == VERDICT_sip_request)
		return !known_source(packet) || answered_here(policy, cursor);
	return start == VERDICT_sip_keepalive && known_source(packet) && policy->challenge.enabled;
}

/* A datagram to a service port. One to a group is not answered: an address that many have cannot answer, and one forged
 * request would make all that hear it answer to its victim. */
static inline u32 judge_datagram(struct xdp_md *ctx, const struct policy *policy, const struct cursor *cursor,
				 struct packet *packet, u64 bytes)
{
	struct offender *offender = offender_message(ctx, policy, packet);
	u32 start = VERDICT_sip_fragment, verdict;

	if (!packet->fragment)
		start = sip_sniff(cursor->at + sizeof(struct udp_header), cursor->end, packet->payload_bytes);
	verdict = judge_rate(policy, packet, bytes);
	if (verdict)
		return shed(ctx, policy, packet, offender, start, verdict);
	if (wrong_message(start)) {
		packet->verdict = start;
		offender_wrong(ctx, policy, packet, offender);
		return start;
	}
	if (start == VERDICT_sip_empty)
		return start;
	verdict = judge_speed(policy, packet, known_source(packet) ? EIGHTHS_ALL : EIGHTHS_STRANGER);
	if (verdict)
		return shed(ctx, policy, packet, offender, start, verdict);
	packet->sniffed = start;
	if (!packet->group && read_on(policy, cursor, packet, start))
		stages.call(ctx, STAGE_read);
	if (known_source(packet))
		return start;
	if (policy->challenge.enabled && (packet->fragment || packet->group))
		return judge_odd(policy, packet);
	verdict = judge_guard(ctx, policy, packet, offender);
	return verdict ? shed(ctx, policy, packet, offender, start, verdict) : start;
}

static inline u32 judge_connection(const struct policy *policy, struct packet *packet, u64 bytes)
{
	u32 verdict = judge_tcp(policy, packet, bytes);

	if (!verdict)
		verdict = judge_speed(policy, packet, known_source(packet) ? EIGHTHS_ALL : EIGHTHS_STRANGER);
	return verdict ? verdict : VERDICT_tcp_service;
}

#define TUNNEL_INITIATION 1
#define TUNNEL_RESPONSE 2
#define TUNNEL_COOKIE 3
#define TUNNEL_DATA 4

/* Has it the form of one of WireGuard's four messages (drivers/net/wireguard/messages.h)? The type is one byte, and three
 * that are nought; all lengths but that of data are exact. */
static __always_inline u32 judge_tunnel(const struct cursor *cursor, const struct packet *packet)
{
	const u8 *at = cursor->at + sizeof(struct udp_header);
	u32 bytes = packet->payload_bytes;
	bool whole;

	if ((void *)(at + 4) > cursor->end || at[1] || at[2] || at[3])
		return VERDICT_tunnel_malformed;
	switch (at[0]) {
	case TUNNEL_INITIATION:
		whole = bytes == 148;
		break;
	case TUNNEL_RESPONSE:
		whole = bytes == 92;
		break;
	case TUNNEL_COOKIE:
		whole = bytes == 64;
		break;
	case TUNNEL_DATA:
		whole = bytes >= 32;
		break;
	default:
		whole = false;
	}
	return whole ? VERDICT_tunnel_message : VERDICT_tunnel_malformed;
}

static __always_inline bool for_tunnel(const struct packet *packet)
{
	u32 zero = 0, *port = tunnel_port.lookup(&zero);

	return packet->protocol == PROTOCOL_UDP && port && *port && *port == BIG16(packet->target_port);
}

/* A port that is not ours to guard, and every port for a source on the allow list. */
static inline u32 judge_other(const struct policy *policy, const struct cursor *cursor, struct packet *packet)
{
	u64 eighths = packet->protocol == PROTOCOL_TCP ? EIGHTHS_OTHER : EIGHTHS_STRANGER;
	u32 verdict = judge_speed(policy, packet, known_source(packet) ? EIGHTHS_ALL : eighths);

	if (verdict)
		return verdict;
	if (packet->class == SOURCE_ALLOWED)
		return VERDICT_source_allowed;
	return for_tunnel(packet) ? judge_tunnel(cursor, packet) : VERDICT_other_port;
}

/* UDP or TCP whose ports are known. */
static inline u32 judge_ports(struct xdp_md *ctx, const struct policy *policy, const struct cursor *cursor,
			      struct packet *packet, u64 bytes, int *action)
{
	struct service_port service = {.port = packet->target_port, .protocol = packet->protocol};
	u16 port = BIG16(packet->target_port);

	if (packet->protocol == PROTOCOL_UDP && port >= policy->relay_first && port <= policy->relay_last) {
		if (!policy->relay_here) {
			u32 verdict = judge_speed(policy, packet, known_source(packet) ? EIGHTHS_ALL : EIGHTHS_OTHER);

			return verdict ? verdict : VERDICT_rtp_to_user;
		}
		return relay(ctx, policy, cursor, packet, bytes, action);
	}
	if (packet->class == SOURCE_ALLOWED || !service_ports.lookup(&service))
		return judge_other(policy, cursor, packet);
	if (packet->protocol == PROTOCOL_TCP)
		return judge_connection(policy, packet, bytes);
	return judge_datagram(ctx, policy, cursor, packet, bytes);
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
	verdict = judge_ports(ctx, policy, &cursor, packet, bytes, action);
	if (packet->fragment == FRAGMENT_FIRST)
		fragment_note(packet, action_of(verdict, XDP_TX) != XDP_DROP);
	return verdict;
}

int gate(struct xdp_md *ctx)
{
	u64 bytes = ctx->data_end - ctx->data;
	int action = XDP_ABORTED;
	u32 verdict = walk(ctx, bytes, &action);

	return settle(ctx, verdict, bytes, action);
}
