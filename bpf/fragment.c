/* Fragments. The first one carries the ports and is judged like a whole packet; what became of it is remembered, and the
 * later ones go the same way. Later ones of which nothing is known (they came first, or the row had to make room) share
 * one small bucket, so that reordering does no harm and a flood of them little.
 */

#define FRAGMENT_LIFE_NS 30000000000ull /* as long as a stack waits for the rest (RFC 8200 4.5 says 60 s, Linux 30 s) */
#define FRAGMENTS_MOST 64               /* later ones of one datagram: 64 KiB in pieces of an Ethernet frame are 45 */

static __always_inline void fragment_key_of(struct fragment_key *key, const struct packet *packet)
{
	key->source = packet->source;
	key->target = packet->target;
	key->id = packet->fragment_id;
	key->protocol = packet->protocol;
}

/* What became of the first fragment of this one's datagram; NULL: not known, not any more, or it had its share. */
static inline struct fragment_row *fragment_first(struct packet *packet)
{
	struct fragment_key key = {};
	struct fragment_row *row;

	fragment_key_of(&key, packet);
	row = fragments.lookup(&key);
	if (!row || packet_now(packet) - row->at_ns > FRAGMENT_LIFE_NS || row->later >= FRAGMENTS_MOST)
		return NULL;
	return row;
}

/* Remembers what became of a first fragment. */
static inline void fragment_note(struct packet *packet, bool passed)
{
	struct fragment_row row = {.at_ns = packet_now(packet), .passed = passed, .pair = packet->pair};
	struct fragment_key key = {};

	fragment_key_of(&key, packet);
	fragments.update(&key, &row);
}
