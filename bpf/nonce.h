/* Nonces of the stateless challenge, and where a request carries one. Pure.
 *
 * A nonce is 32 hex digits: 8 of Unix seconds, 8 of salt, 16 of SipHash-2-4 over those eight bytes and the sixteen of the
 * source's address; pysrv/sip/nonces.py makes and checks the same. The key is that of the second's epoch. RFC 7616 3.3.
 */
#ifndef NONCE_H
#define NONCE_H

#define SECOND_NS 1000000000ull
#define NONCE_AHEAD_S 5 /* as in nonces.py */
#define NONCE_STEPS 24   /* chunks and equals signs in one line of credentials */

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

#endif
