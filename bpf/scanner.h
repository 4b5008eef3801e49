/* Is this request a scanner's? By the name that it gives itself, or by the shape of the message. Pure.
 *
 * The name goes through an automaton that finds all patterns at once (Aho and Corasick, 1975), a byte a step. Shapes are
 * marks that a tool leaves by the way it makes messages; fingerprints that join them are rows of the same map, made by
 * appliance/kernel/scanners.py. Two marks are cheap to look for and every fingerprint has one of them or an order of
 * headers, so that a telephone's request costs a few comparisons.
 */
#ifndef SCANNER_H
#define SCANNER_H

#define AGENT_STEPS 48 /* of four bytes */
#define DIGITS_MOST 32
#define FIND_MOST 192
#define TAG_MOST 128
#define CHEAP_SHAPES (SHAPE_call_id_digits | SHAPE_contact_bare)
#define SCANNER_MATCH ((SCANNER_STATES - 1) * SCANNER_CLASSES)

/* Behind the header's colon and the blank after it. */
static __always_inline u32 value_start(const struct reading *reading, u32 kind)
{
	u32 at = reading->value_at[kind];

	return reading->message[place_in(at)] == ' ' ? at + 1 : at;
}

/* The CR of the header's line. */
static __always_inline u32 value_end(const struct reading *reading, u32 kind)
{
	return reading->at[kind] + reading->length[kind] - 2;
}

/* Does the User-Agent contain one of the patterns? Steps of four bytes end at most one byte behind the CRLF. */
static __always_inline bool scanner_agent(struct reading *reading, const struct scanners *scanners)
{
	u32 end = value_end(reading, HEADER_USER_AGENT);

	if (!scanners->agents || !reading->count[HEADER_USER_AGENT])
		return false;
	reading->state = 0;
	reading->from = reading->value_at[HEADER_USER_AGENT];
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < AGENT_STEPS; i++) {
		const u8 *bytes = reading->message + place_in(reading->from + 4 * i);
		u64 row = reading->state;

		OPAQUE(i);
		if (reading->from + 4 * i >= end)
			break;
#pragma unroll
		for (int k = 0; k < 4; k++) {
			u64 place = 2 * (row + scanners->classes[bytes[k]]);

			OPAQUE(place);
			row = *(const u16 *)(scanners->rows + (place & (SCANNER_ROWS - 2)));
		}
		reading->state = row;
		NEVER_ENDING;
	}
	return reading->state == SCANNER_MATCH;
}

/* How many decimal digits stand at a place, up to DIGITS_MOST. */
static __always_inline u32 digits_at(struct reading *reading, u32 at)
{
	reading->state = 0;
	reading->from = at;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < DIGITS_MOST; i++) {
		u8 byte = reading->message[place_in(reading->from + i)];

		OPAQUE(i);
		if (byte < '0' || byte > '9')
			break;
		reading->state = i + 1;
		NEVER_ENDING;
	}
	return reading->state;
}

/* Looks for up to eight bytes between two places; reading->found is then behind them. */
static __always_inline bool find(struct reading *reading, u32 from, u32 end, u64 word, u32 bytes)
{
	u64 mask = ~0ull >> (64 - 8 * bytes);

	reading->found = 0;
	reading->from = from;
	reading->to = end;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < FIND_MOST; i++) {
		u64 here = eight_at(reading->message + place_in(reading->from + i));

		OPAQUE(i);
		if (reading->from + i >= reading->to)
			break;
		if ((here & mask) == word) {
			reading->found = reading->from + i + bytes;
			break;
		}
		NEVER_ENDING;
	}
	return reading->found;
}

static __always_inline u64 call_id_shapes(struct reading *reading)
{
	u32 at = value_start(reading, HEADER_CALL_ID);
	u32 digits;

	if (!reading->count[HEADER_CALL_ID])
		return 0;
	digits = digits_at(reading, at);
	return digits && reading->message[place_in(at + digits)] == '\r' ? SHAPE_call_id_digits : 0;
}

static __always_inline u64 contact_shapes(struct reading *reading)
{
	u32 at = value_start(reading, HEADER_CONTACT);
	u8 first = reading->message[place_in(at)];

	if (!reading->count[HEADER_CONTACT] || first == '<' || first == '"' || first == '*' || first == '\r')
		return 0;
	return find(reading, at, value_end(reading, HEADER_CONTACT), '<', 1) ? 0 : SHAPE_contact_bare;
}

static __always_inline u64 branch_shapes(struct reading *reading)
{
	u32 at, digits;
	u64 start;
	u8 after;

	if (!find(reading, reading->via_at[0], reading->via_at[0] + reading->via_bytes[0], EIGHT(";branch="), 8))
		return 0;
	at = reading->found;
	start = eight_at(reading->message + place_in(at));
	if ((start ^ EIGHT("z9hG4bK\0")) << 8)
		return SHAPE_branch_foreign;
	if (start != EIGHT("z9hG4bK-"))
		return 0;
	digits = digits_at(reading, at + 8);
	after = reading->message[place_in(at + 8 + digits)];
	return digits && (after == ';' || after == ',' || after == '\r' || after == ' ') ? SHAPE_branch_digits : 0;
}

/* The From tag's length while it is lower-case hexadecimal; hash[0] then holds its last eight bytes. */
static __always_inline u32 hex_tag_bytes(struct reading *reading, u32 at)
{
	reading->state = 0;
	reading->from = at;
	reading->hash[0] = 0;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < TAG_MOST; i++) {
		u64 byte = reading->message[place_in(reading->from + i)];

		OPAQUE(i);
		if (!((byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f')))
			break;
		reading->hash[0] = reading->hash[0] >> 8 | byte << 56;
		reading->state = i + 1;
		NEVER_ENDING;
	}
	return reading->state;
}

/* "31323334" is the end of what SIPVicious writes there: text, a one, and a decimal number, in hexadecimal. */
static __always_inline u64 tag_shapes(struct reading *reading)
{
	u32 from = reading->at[HEADER_FROM], bytes;
	u64 high, low;

	if (!find(reading, from, from + reading->length[HEADER_FROM], EIGHT(";tag=\0\0\0"), 5))
		return 0;
	bytes = hex_tag_bytes(reading, reading->found);
	high = reading->hash[0] & 0x00ff00ff00ff00ffull;
	low = reading->hash[0] >> 8 & 0x00ff00ff00ff00ffull;
	if (bytes < 16 || bytes & 1 || bytes >= TAG_MOST || high != 0x0033003300330033ull)
		return 0;
	return (low & 0x00f000f000f000f0ull) == 0x0030003000300030ull ? SHAPE_tag_hex_text : 0;
}

/* Could this fingerprint still match, of what `looked_for` says which marks are known? */
static __always_inline bool fits(const struct fingerprint *print, u64 order, u64 shapes, u64 looked_for)
{
	if (!print->shapes || (print->order && print->order != order))
		return false;
	return !(print->shapes & looked_for & ~shapes);
}

/* The marks that the fingerprints which still fit ask for; 0: none fits. */
static __always_inline u64 shapes_wanted(struct reading *reading, const struct scanners *scanners, u64 shapes, u64 looked_for)
{
	u64 wanted = 0;

#pragma unroll
	for (int i = 0; i < SCANNER_PRINTS; i++)
		if (fits(&scanners->prints[i], reading->order, shapes, looked_for))
			wanted |= scanners->prints[i].shapes;
	return wanted;
}

/* Does a fingerprint match? */
static __always_inline bool scanner_shape(struct reading *reading, const struct scanners *scanners)
{
	u64 shapes = call_id_shapes(reading) | contact_shapes(reading);

	if (!shapes_wanted(reading, scanners, shapes, CHEAP_SHAPES))
		return false;
	shapes |= branch_shapes(reading) | tag_shapes(reading);
	return shapes_wanted(reading, scanners, shapes, ~0ull);
}

#endif
