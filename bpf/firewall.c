/* Static rules, imported lists and countries: what an operator has said about networks.
 *
 * Each set of networks is a map inside a map. The keeper fills a new one beside the one in force and then puts it in its
 * place with one write, so that a packet meets the old set or the new one and never a part.
 */

static __always_inline struct firewall_rule *rule_for(void *rules, const struct packet *packet, u16 protocol, u16 port)
{
	struct firewall_key key = {
		.prefix_bits = FIREWALL_KEY_BITS,
		.port = port,
		.protocol = protocol,
		.ip = packet->source,
	};

	return bpf_map_lookup_elem(rules, &key);
}

/* What the static rules say: the longest network decides, and of two as long the rule that names a port. */
static inline u32 firewall_says(const struct packet *packet)
{
	u32 zero = 0;
	void *rules = firewalls.lookup(&zero);
	struct firewall_rule *general, *special = NULL;

	if (!rules)
		return FIREWALL_NOTHING;
	general = rule_for(rules, packet, 0, 0);
	if (packet->target_port)
		special = rule_for(rules, packet, packet->protocol, packet->target_port);
	if (special && (!general || special->prefix_bits >= general->prefix_bits))
		return special->action;
	return general ? general->action : FIREWALL_NOTHING;
}

/* Does the list in this slot hold the source? */
static __always_inline bool slot_holds(u32 slot, const struct packet *packet)
{
	struct address single = packet->source;
	struct network network = {.prefix_bits = 128, .ip = packet->source};
	void *inner = listed.lookup(&slot);

	if (inner && bpf_map_lookup_elem(inner, &single))
		return true;
	inner = listed_nets.lookup(&slot);
	return inner && bpf_map_lookup_elem(inner, &network);
}

/* Lists leave alone what is known here: their authors know nothing of this appliance's customers and carriers. */
static inline u32 listing_verdict(const struct packet *packet)
{
	u32 zero = 0, wanted, hits = 0;
	struct listing *sets = listings.lookup(&zero);
	bool known = packet->class == SOURCE_KNOWN || packet->pair == PAIR_KNOWN;

	if (!sets)
		return VERDICT_NONE;
	wanted = sets->country_deny | sets->country_allow | (known ? 0 : sets->ban);
	if (!wanted)
		return VERDICT_NONE;
	for (u32 slot = 0; slot < MAX_LISTS; slot++) {
		if (wanted >> slot & 1 && slot_holds(slot, packet))
			hits |= 1u << slot;
	}
	if (!known && hits & sets->ban)
		return VERDICT_listed;
	if (hits & sets->country_deny || (sets->country_allow && !(hits & sets->country_allow)))
		return VERDICT_country_denied;
	return VERDICT_NONE;
}

/* The refusals of rules, lists and countries, after the bans; `rule` is what firewall_says() said. */
static inline u32 judge_firewall(const struct policy *policy, const struct packet *packet, u32 rule, u64 bytes)
{
	u32 verdict;

	if (rule == FIREWALL_PASS)
		return VERDICT_NONE;
	if (rule == FIREWALL_DENY) {
		verdict = ruled(policy, VERDICT_firewall_denied, bytes);
		if (verdict)
			return verdict;
	}
	verdict = listing_verdict(packet);
	return verdict ? ruled(policy, verdict, bytes) : VERDICT_NONE;
}
