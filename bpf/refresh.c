/* Registrations whose repetition is answered here.
 *
 * A REGISTER that says in To, Contact and Expires what an accepted one said, from the same address and port, is told how
 * much is left of the binding (RFC 3261 10.3 step 8). Nothing is made longer here: until when a row may be used the office
 * says, which puts that instant well before the binding's end, so that a telephone which keeps to what it is told renews
 * it in time. Anything else, Expires: 0 above all, says something different and finds no row.
 */

#define MARK_STEPS 32 /* of eight bytes */

static __always_inline u64 mark_mix(u64 state, u64 word)
{
	return (rotate_left(state, 5) ^ word) * 0x9e3779b97f4a7c15ull;
}

/* Adds a header's value to reading->registration, and its length; one that is absent has none. False: it is too long. */
static __always_inline bool mark_add(struct reading *reading, u32 kind)
{
	u32 bytes = 0;

	reading->from = 0;
	if (reading->count[kind]) {
		reading->from = value_start(reading, kind);
		bytes = value_end(reading, kind) - reading->from;
	}
	reading->to = bytes;
	if (bytes > 8 * MARK_STEPS)
		return false;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < MARK_STEPS; i++) {
		u64 word = eight_at(reading->message + place_in(reading->from + 8 * i));
		u64 left = reading->to - 8 * i;

		OPAQUE(i);
		if (8 * i >= reading->to)
			break;
		if (left < 8)
			word &= (1ull << ((8 * left) & 63)) - 1;
		reading->registration = mark_mix(reading->registration, word);
		NEVER_ENDING;
	}
	reading->registration = mark_mix(reading->registration, reading->to);
	return true;
}

/* Makes reading->registration. False: this is no REGISTER of the plain form that is remembered. */
static __always_inline bool registration_mark(struct reading *reading)
{
	reading->registration = 0;
	if (eight_at(reading->message) != EIGHT("REGISTER") || reading->odd || reading->vias != 1)
		return false;
	if (reading->count[HEADER_TO] != 1 || reading->count[HEADER_CONTACT] != 1)
		return false;
	if (reading->count[HEADER_EXPIRES] > 1 || reading->count[HEADER_REQUIRE])
		return false;
	return mark_add(reading, HEADER_TO) && mark_add(reading, HEADER_CONTACT) && mark_add(reading, HEADER_EXPIRES);
}

/* The row for this packet's REGISTER, whose mark has been made, while it may be used; else none. */
static inline struct refresh *refresh_find(const struct packet *packet, const struct reading *reading, u64 now)
{
	struct refresh_key key = {
		.ip = packet->source,
		.port = packet->source_port,
		.mark = reading->registration,
	};
	struct refresh *refresh = refreshes.lookup(&key);

	return refresh && now < refresh->until_ns && now < refresh->expires_ns ? refresh : NULL;
}

/* The Contact line of the answer: the binding, and the whole seconds that are left of it. False: it is no more. */
static inline bool write_registration(struct reading *reading, struct packet *packet)
{
	u64 now = packet_now(packet), left_s;
	struct refresh *refresh = refresh_find(packet, reading, now);

	if (!refresh)
		return false;
	left_s = (refresh->expires_ns - now) / SECOND_NS;
	put_text(reading, refresh->contact, refresh->contact_bytes, REFRESH_CONTACT);
	put_number(reading, left_s > 99999 ? 99999 : left_s ? left_s : 1);
	put_eight(reading, EIGHT("\r\n\0\0\0\0\0\0"), 2);
	return true;
}
