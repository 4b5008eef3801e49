/* The text of answers. Each piece goes to answer_bytes and moves it; up to 31 bytes more are written, which the next
 * piece covers. Pure. RFC 3261 8.2.6 and 18.2.1, RFC 3581 4 (rport).
 */
#ifndef REPLY_H
#define REPLY_H

#define COPY_STEPS 14    /* of 32 bytes */
#define COPY_MOST (COPY_STEPS * 32)
#define ANSWER_MOST 1440
#define ANSWER_HOPS 64
#define CRLF_CRLF 0x0a0d0a0du

static __always_inline void put_thirty_two(u8 *to, const u8 *from)
{
	u64 a = eight_at(from), b = eight_at(from + 8), c = eight_at(from + 16), d = eight_at(from + 24);

	eight_put(to, a);
	eight_put(to + 8, b);
	eight_put(to + 16, c);
	eight_put(to + 24, d);
}

/* Copies a piece of the request. A piece that is too long makes the answer too long, and that is found at the end. */
static __always_inline void put_copy(struct reading *reading, u32 start, u32 bytes)
{
	u32 at = reading->answer_bytes;

	if (bytes > COPY_MOST)
		reading->odd = 1;
	reading->from = start;
	reading->to = start + bytes;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < COPY_STEPS; i++) {
		OPAQUE(i);
		if (reading->from >= reading->to)
			break;
		put_thirty_two(reading->answer + place_in(at + 32 * i), reading->message + place_in(reading->from));
		reading->from += 32;
		NEVER_ENDING;
	}
	reading->answer_bytes = at + bytes;
}

/* Copies `bytes` of a ready text of `most` bytes, a power of two or a multiple of 128 below one. */
static __always_inline void put_text(struct reading *reading, const u8 *text, u32 bytes, u32 most)
{
	u32 at = reading->answer_bytes;

	reading->to = bytes;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < most / 32; i++) {
		OPAQUE(i);
		if (i >= most / 32 || 32 * i >= reading->to)
			break;
		put_thirty_two(reading->answer + place_in(at + 32 * i), text + 32 * i);
		NEVER_ENDING;
	}
	reading->answer_bytes = at + bytes;
}

static __always_inline void put_eight(struct reading *reading, u64 word, u32 bytes)
{
	eight_put(reading->answer + place_in(reading->answer_bytes), word);
	reading->answer_bytes += bytes;
}

/* A number of five digits at most. */
static __always_inline void put_number(struct reading *reading, u32 value)
{
	u32 tens = value / 10, hundreds = value / 100, thousands = value / 1000, most = value / 10000;
	u32 zeros = (value < 10000) + (value < 1000) + (value < 100) + (value < 10);
	u64 digits = most | (u64)(thousands - most * 10) << 8 | (u64)(hundreds - thousands * 10) << 16 |
		     (u64)(tens - hundreds * 10) << 24 | (u64)(value - tens * 10) << 32;

	digits += REPEAT('0');
	put_eight(reading, digits >> ((zeros * 8) & 63), 5 - zeros);
}

/* The address as text: an IPv6 one in eight full groups, without brackets (via-received, RFC 3261 25.1). */
static __always_inline void put_address(struct reading *reading, const struct address *ip)
{
	if (address_is_ip4(ip)) {
#pragma unroll
		for (int i = 0; i < 4; i++) {
			put_number(reading, ip->word[3] >> (8 * i) & 255);
			if (i < 3)
				put_eight(reading, '.', 1);
		}
		return;
	}
#pragma unroll
	for (int i = 0; i < 4; i++) {
		u64 digits = hex_of(BIG32(ip->word[i]));

		put_eight(reading, digits, 4);
		put_eight(reading, ':', 1);
		put_eight(reading, digits >> 32, 4);
		if (i < 3)
			put_eight(reading, ':', 1);
	}
}

/* The top Via line, with where it came from (RFC 3261 18.2.1, RFC 3581 4). */
static __always_inline void put_top_via(struct reading *reading, const struct packet *packet)
{
	u32 start = reading->via_at[0];
	u32 end = start + reading->via_bytes[0];
	u32 split = reading->has_rport ? reading->rport_end : reading->via_end;

	put_copy(reading, start, split - start);
	if (reading->has_rport) {
		put_eight(reading, '=', 1);
		put_number(reading, BIG16(packet->source_port));
	}
	put_eight(reading, EIGHT(";receive"), 8);
	put_eight(reading, EIGHT("d=\0\0\0\0\0\0"), 2);
	put_address(reading, &packet->source);
	put_copy(reading, split, end - split);
}

static __always_inline void put_header(struct reading *reading, u32 kind)
{
	put_copy(reading, reading->at[kind], reading->length[kind]);
}

/* To with the tag that makes retransmissions of our answer, which is kept nowhere, alike. */
static __always_inline void put_to(struct reading *reading)
{
	u32 bytes = reading->length[HEADER_TO];

	if (reading->has_to_tag) {
		put_header(reading, HEADER_TO);
		return;
	}
	put_copy(reading, reading->at[HEADER_TO], bytes - 2);
	put_eight(reading, EIGHT(";tag=\0\0\0"), TAG_BYTES);
	put_eight(reading, hex_of(reading->tag >> 32), 8);
	put_eight(reading, hex_of(reading->tag), 8);
	put_eight(reading, EIGHT("\r\n\0\0\0\0\0\0"), 2);
}

/* May an answer of this length go out for that request? Never more than a tenth longer. */
static __always_inline bool answer_fits(const struct reading *reading, u32 bytes)
{
	return bytes <= ANSWER_MOST && bytes * 10 <= reading->bytes * 11;
}

#endif
