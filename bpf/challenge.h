/* The stateless SIP challenge: nonces, what a request says about itself, and the answer's text. Pure.
 *
 * A nonce is 32 hex digits: 8 of Unix seconds, 8 of salt, 16 of SipHash-2-4 over those eight bytes and the sixteen of the
 * source's address; pysrv/sip/nonces.py makes and checks the same. The key is that of the second's epoch. Answers follow
 * RFC 3261 8.2.6 and 18.2, RFC 3581 4 (rport), RFC 7616 3.3.
 */
#ifndef CHALLENGE_H
#define CHALLENGE_H

#define SECOND_NS 1000000000ull
#define NONCE_AHEAD_S 5 /* as in nonces.py */
#define NONCE_STEPS 24   /* chunks and equals signs in one line of credentials */
#define VIA_STEPS 24
#define CALL_ID_STEPS 20 /* of eight bytes */
#define CALL_ID_MOST (CALL_ID_STEPS * 8 - 8)
#define COPY_STEPS 14    /* of 32 bytes */
#define COPY_MOST (COPY_STEPS * 32)
#define ANSWER_MOST 1440
#define TAG_BYTES 5      /* ";tag=" */
#define TAG_DIGITS 16
#define METHOD_MOST 16
#define ANSWER_HOPS 64
#define CRLF_CRLF 0x0a0d0a0du
#define SIP_PORT 5060
#define FIRST_FREE_PORT 1024

/* 32 bits as eight lower-case hex digits. */
static __always_inline u64 hex_of(u32 number)
{
	u64 x = BIG32(number);
	u64 letters;

	x = (x | x << 16) & 0x0000ffff0000ffffull;
	x = (x | x << 8) & 0x00ff00ff00ff00ffull;
	x = ((x >> 4) | (x << 8)) & 0x0f0f0f0f0f0f0f0full;
	letters = ((x + REPEAT(6)) >> 4) & REPEAT(1);
	return x + REPEAT('0') + letters * ('a' - '0' - 10);
}

/* The other way. Digits are not checked: whoever needs that makes them again and compares. */
static __always_inline u32 number_of(u64 digits)
{
	u64 x = (digits & REPEAT(0x0f)) + 9 * ((digits >> 6) & REPEAT(1));

	x = ((x << 4) | (x >> 8)) & 0x00ff00ff00ff00ffull;
	x = (x | x >> 8) & 0x0000ffff0000ffffull;
	x = x | x >> 16;
	return BIG32((u32)x);
}

/* The keyed hash of a nonce of that time and salt for that source. */
static __always_inline u64 nonce_hash(const struct challenge *challenge, u32 made_s, u32 salt, const struct address *source)
{
	u32 epoch_s = challenge->epoch_s ? challenge->epoch_s : 1;
	struct siphash hash;

	siphash_begin(&hash, challenge->keys[(made_s / epoch_s) & (NONCE_KEYS - 1)].word);
	siphash_add(&hash, (u64)BIG32(made_s) | (u64)BIG32(salt) << 32);
	siphash_add(&hash, (u64)source->word[0] | (u64)source->word[1] << 32);
	siphash_add(&hash, (u64)source->word[2] | (u64)source->word[3] << 32);
	return siphash_end(&hash, 0, 24);
}

static __always_inline void nonce_write(u8 *at, const struct challenge *challenge, u32 now_s, u32 salt,
					const struct address *source)
{
	u64 hash = nonce_hash(challenge, now_s, salt, source);

	eight_put(at, hex_of(now_s));
	eight_put(at + 8, hex_of(salt));
	eight_put(at + 16, hex_of(hash >> 32));
	eight_put(at + 24, hex_of(hash));
}

enum nonce_verdict { NONCE_FORGED = 0, NONCE_VALID = 1, NONCE_OLD = 2 };

/* What the nonce at `at` is worth. One that lies ahead of our clock counts as old: the clock was set back. */
static __always_inline u32 nonce_judge(const u8 *at, const struct challenge *challenge, u32 now_s,
				       const struct address *source)
{
	u64 time = eight_at(at), salt = eight_at(at + 8), hash;
	u32 made_s = number_of(time);

	hash = nonce_hash(challenge, made_s, number_of(salt), source);
	if (hex_of(made_s) != time || hex_of(number_of(salt)) != salt)
		return NONCE_FORGED;
	if (eight_at(at + 16) != hex_of(hash >> 32) || eight_at(at + 24) != hex_of(hash))
		return NONCE_FORGED;
	return now_s + NONCE_AHEAD_S - made_s <= challenge->ttl_s + NONCE_AHEAD_S ? NONCE_VALID : NONCE_OLD;
}

/* One chunk of credentials, or one equals sign in them: is it that of `nonce=`? True: found, or at the end. */
static __always_inline bool nonce_step(struct reading *reading)
{
	u64 mask = reading->mask, name;
	u32 place;
	u8 before;

	if (!mask) {
		place = reading->from + (reading->chunk << 6);
		reading->chunk++;
		reading->mask = mask_of_two(reading->message + place_in(place), REPEAT('='), REPEAT('='));
		return place >= reading->to;
	}
	reading->mask = mask & (mask - 1);
	place = reading->from + ((reading->chunk - 1) << 6) + lowest(mask);
	if (place >= reading->to)
		return true;
	name = eight_at(reading->message + place_in(place - 6));
	before = name;
	if (((name | LOWER) >> 8 & 0xffffffffffull) != (EIGHT("nonce\0\0\0")) ||
	    (before != ' ' && before != ',' && before != '\t'))
		return false;
	reading->nonce_at = place + 1 + (reading->message[place_in(place + 1)] == '"');
	return true;
}

/* Where the nonce of these credentials begins: reading->nonce_at, 0 for none. */
static __always_inline void nonce_find(struct reading *reading, u32 start, u32 bytes)
{
	reading->from = start;
	reading->to = start + bytes;
	reading->chunk = 0;
	reading->mask = 0;
	reading->nonce_at = 0;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < NONCE_STEPS; i++) {
		OPAQUE(i);
		if (nonce_step(reading))
			break;
		NEVER_ENDING;
	}
}

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

/* Writing: each piece goes to answer_bytes and moves it; up to 31 bytes more are written, which the next piece covers. */

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
