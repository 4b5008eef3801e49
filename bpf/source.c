/* Who sends: the class of a source, devices known by address and port, and bans. */

/* An expired network may hide a wider one that still holds: how many such steps are tried. */
#define MAX_NESTED_NETWORKS 4

static __always_inline bool alive(u64 until_ns)
{
	return !until_ns || bpf_ktime_get_ns() < until_ns;
}

static inline u32 source_class(const struct packet *packet)
{
	struct address single = packet->source;
	struct network network = {.prefix_bits = 128, .ip = packet->source};
	struct source *source = sources.lookup(&single);

	if (source && alive(source->until_ns))
		return source->class;
#pragma unroll
	for (int i = 0; i < MAX_NESTED_NETWORKS; i++) {
		source = source_nets.lookup(&network);
		if (!source)
			return SOURCE_STRANGER;
		if (alive(source->until_ns))
			return source->class;
		if (!source->prefix_bits)
			return SOURCE_STRANGER;
		network.prefix_bits = (source->prefix_bits - 1) & 127;
	}
	return SOURCE_STRANGER;
}

/* What is known of the one device at this address and port. A later fragment has no port: it is what its first one was. */
static inline u32 pair_state(struct packet *packet)
{
	struct endpoint device = {.ip = packet->source, .port = packet->source_port};
	struct pair *pair;
	u64 now;

	if (packet->fragment == FRAGMENT_LATER) {
		struct fragment_row *first = fragment_first(packet);

		return first ? first->pair : PAIR_NONE;
	}
	pair = pairs.lookup(&device);
	if (!pair)
		return PAIR_NONE;
	now = packet_now(packet);
	if (now < pair->banned_until_ns)
		return PAIR_BANNED;
	return now < pair->known_until_ns ? PAIR_KNOWN : PAIR_NONE;
}

/* The ban that holds for the source, as a verdict. `spares`: the flags that all that do have in common. */
static inline u32 ban_verdict(const struct packet *packet, u64 bytes, u32 *spares)
{
	struct address single = packet->source;
	struct network network = {.prefix_bits = 128, .ip = packet->source};
	struct ban *ban = bans.lookup(&single);
	u32 verdict = VERDICT_NONE;
	u32 flags = BAN_SPARES_KNOWN | BAN_SPARES_PROVEN;
	bool expired = false;

	if (ban && alive(ban->until_ns)) {
		verdict = VERDICT_banned;
		flags &= ban->flags;
		if (!flags)
			return verdict;
	} else if (ban) {
		expired = true;
	}
#pragma unroll
	for (int i = 0; i < MAX_NESTED_NETWORKS; i++) {
		ban = ban_nets.lookup(&network);
		if (!ban)
			break;
		if (alive(ban->until_ns)) {
			verdict = verdict ? verdict : VERDICT_banned_prefix;
			flags &= ban->flags;
			if (!flags)
				return verdict;
		} else {
			expired = true;
		}
		if (!ban->prefix_bits)
			break;
		network.prefix_bits = (ban->prefix_bits - 1) & 127;
	}
	*spares = flags;
	if (expired && !verdict)
		count(VERDICT_ban_expired, bytes);
	return verdict;
}

/* The first rule about the source that refuses the packet. packet->class and packet->pair are set on the way. */
static inline u32 judge_source(const struct policy *policy, struct packet *packet, u64 bytes)
{
	u32 verdict, rule = firewall_says(packet), spares = 0;

	packet->class = rule == FIREWALL_ALLOW ? SOURCE_ALLOWED : source_class(packet);
	if (packet->class == SOURCE_ALLOWED)
		return VERDICT_NONE;
	verdict = ban_verdict(packet, bytes, &spares);
	if (verdict && !spares)
		verdict = ruled(policy, verdict, bytes);
	if (verdict && !spares)
		return verdict;
	packet->pair = pair_state(packet);
	if (verdict && spares & BAN_SPARES_PROVEN && policy->challenge.enabled) {
		packet->suspect = verdict;
		verdict = VERDICT_NONE;
	}
	if (verdict)
		verdict = packet->pair == PAIR_KNOWN ? VERDICT_NONE : ruled(policy, verdict, bytes);
	if (!verdict && packet->pair == PAIR_BANNED)
		verdict = ruled(policy, VERDICT_banned_pair, bytes);
	return verdict ? verdict : judge_firewall(policy, packet, rule, bytes);
}
