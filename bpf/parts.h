/* What an answer needs to know of a request whose form is known to be good: the top Via, CSeq, tags. Pure.
 *
 * RFC 3261 8.2.6 (To tag), 18.2 (where an answer goes), RFC 3581 4 (rport).
 */
#ifndef PARTS_H
#define PARTS_H

#define VIA_STEPS 24
#define CALL_ID_STEPS 20 /* of eight bytes */
#define CALL_ID_MOST (CALL_ID_STEPS * 8 - 8)
#define TAG_BYTES 5      /* ";tag=" */
#define TAG_DIGITS 16
#define METHOD_MOST 16
#define SIP_PORT 5060
#define FIRST_FREE_PORT 1024

/* A separator in the top Via. True: its first element is over. */
static __always_inline bool via_separator(struct reading *reading, u32 place)
{
	u64 name = eight_at(reading->message + place_in(place + 1)) | LOWER;
	u8 behind = reading->message[place_in(place + 6)];

	if (!reading->sent_by_end)
		reading->sent_by_end = place;
	if (reading->message[place_in(place)] == ',') {
		reading->via_end = place;
		return true;
	}
	if ((name & 0xffffffffffull) == (EIGHT("rport\0\0\0")) && (behind == ';' || behind == ',' || behind == '\r'))
		reading->rport_end = place + 6;
	return false;
}

static __always_inline bool via_step(struct reading *reading)
{
	u64 mask = reading->mask;
	u32 place;

	if (!mask) {
		place = reading->from + (reading->chunk << 6);
		reading->chunk++;
		reading->mask = mask_of_two(reading->message + place_in(place), REPEAT(';'), REPEAT(','));
		return place >= reading->to;
	}
	reading->mask = mask & (mask - 1);
	place = reading->from + ((reading->chunk - 1) << 6) + lowest(mask);
	return place >= reading->to || via_separator(reading, place);
}

/* Where the parts of the top Via end. Its form has been checked before. */
static __always_inline void via_find(struct reading *reading)
{
	reading->from = reading->via_at[0];
	reading->to = reading->via_at[0] + reading->via_bytes[0] - 2;
	reading->chunk = 0;
	reading->mask = 0;
	reading->via_end = reading->to;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < VIA_STEPS; i++) {
		OPAQUE(i);
		if (via_step(reading))
			break;
		NEVER_ENDING;
	}
	if (!reading->sent_by_end)
		reading->sent_by_end = reading->to;
}

/* The port that sent-by names, else SIP's own (RFC 3261 18.2.2); 0: none that is possible. */
static __always_inline u32 sent_by_port(const struct reading *reading)
{
	u32 port = 0, weight = 1, colon = 0;

#pragma unroll
	for (int i = 1; i < 7; i++) {
		u32 byte = reading->message[place_in(reading->sent_by_end - i)];
		u32 digit = byte - '0';

		if (!colon && byte == ':')
			colon = i;
		else if (!colon && digit > 9)
			colon = 100;
		if (!colon)
			port += digit * weight;
		weight *= 10;
	}
	if (colon < 2 || colon > 6)
		return SIP_PORT;
	return port > 65535 ? 0 : port;
}

/* The request's method as a number of characters. */
static __always_inline u32 method_length(const u8 *message)
{
#pragma unroll
	for (int i = 0; i < METHOD_MOST; i++)
		if (message[i] == ' ')
			return i;
	return METHOD_MOST;
}

/* CSeq names the method of the request line; its form has been checked before. */
static __always_inline bool cseq_fits(const struct reading *reading)
{
	u32 bytes = reading->method_bytes;
	u32 start = reading->at[HEADER_CSEQ] + reading->length[HEADER_CSEQ] - 2 - bytes;
	u64 first, second, mask_first, mask_second;
	const u8 *named = reading->message + place_in(start);

	if (bytes > METHOD_MOST - 1 || reading->message[place_in(start - 1)] != ' ')
		return false;
	mask_first = bytes < 8 ? (1ull << ((bytes * 8) & 63)) - 1 : ~0ull;
	mask_second = bytes > 8 ? (1ull << (((bytes - 8) * 8) & 63)) - 1 : 0;
	first = eight_at(reading->message) ^ eight_at(named);
	second = eight_at(reading->message + 8) ^ eight_at(named + 8);
	return !(first & mask_first) && !(second & mask_second);
}

/* reading->tag: the keyed hash of the Call-ID, without the blank that most write before it. */
static __always_inline void tag_make(struct reading *reading, const u64 *key)
{
	struct siphash *hash = (void *)reading->hash;
	u32 start = reading->value_at[HEADER_CALL_ID];
	u32 end = reading->at[HEADER_CALL_ID] + reading->length[HEADER_CALL_ID] - 2;
	u64 rest;

	if (reading->message[place_in(start)] == ' ')
		start++;
	siphash_begin(hash, key);
	reading->from = start;
	reading->to = end;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < CALL_ID_STEPS; i++) {
		OPAQUE(i);
		if (reading->from + 8 > reading->to)
			break;
		siphash_add(hash, eight_at(reading->message + place_in(reading->from)));
		reading->from += 8;
		NEVER_ENDING;
	}
	rest = eight_at(reading->message + place_in(reading->from));
	rest &= (1ull << (((reading->to - reading->from) * 8) & 63)) - 1;
	reading->tag = siphash_end(hash, rest, (end - start) & 255);
}

/* Does To end with the tag that an answer of ours to this Call-ID had? */
static __always_inline bool tag_is_ours(const struct reading *reading)
{
	u32 end = reading->at[HEADER_TO] + reading->length[HEADER_TO] - 2;
	const u8 *digits = reading->message + place_in(end - TAG_DIGITS);
	u64 name = eight_at(reading->message + place_in(end - TAG_DIGITS - TAG_BYTES)) | LOWER;

	if ((name & 0xffffffffffull) != (EIGHT(";tag=\0\0\0") | (LOWER & 0xffffffffffull)))
		return false;
	return eight_at(digits) == hex_of(reading->tag >> 32) && eight_at(digits + 8) == hex_of(reading->tag);
}

#endif
