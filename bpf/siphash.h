/* SipHash-2-4, the keyed hash of nonces and tags. Pure.
 *
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012), section 2. pysrv/sip/siphash.py is the same in
 * Python. A key is two words as the machine reads them from sixteen bytes.
 */
#ifndef SIPHASH_H
#define SIPHASH_H

struct siphash {
	u64 v[4];
};

static __always_inline u64 rotate_left(u64 word, u32 bits)
{
	return word << bits | word >> (64 - bits);
}

static __always_inline void siphash_round(struct siphash *hash)
{
	u64 a = hash->v[0], b = hash->v[1], c = hash->v[2], d = hash->v[3];

	a += b;
	b = rotate_left(b, 13) ^ a;
	a = rotate_left(a, 32);
	c += d;
	d = rotate_left(d, 16) ^ c;
	a += d;
	d = rotate_left(d, 21) ^ a;
	c += b;
	b = rotate_left(b, 17) ^ c;
	c = rotate_left(c, 32);
	hash->v[0] = a;
	hash->v[1] = b;
	hash->v[2] = c;
	hash->v[3] = d;
}

static __always_inline void siphash_begin(struct siphash *hash, const u64 *key)
{
	hash->v[0] = key[0] ^ 0x736f6d6570736575ull;
	hash->v[1] = key[1] ^ 0x646f72616e646f6dull;
	hash->v[2] = key[0] ^ 0x6c7967656e657261ull;
	hash->v[3] = key[1] ^ 0x7465646279746573ull;
}

static __always_inline void siphash_add(struct siphash *hash, u64 word)
{
	hash->v[3] ^= word;
	siphash_round(hash);
	siphash_round(hash);
	hash->v[0] ^= word;
}

/* `rest`: what is left of the message, seven bytes at most and zeros behind them; `bytes`: length of all of it. */
static __always_inline u64 siphash_end(struct siphash *hash, u64 rest, u64 bytes)
{
	siphash_add(hash, rest | bytes << 56);
	hash->v[2] ^= 0xff;
	siphash_round(hash);
	siphash_round(hash);
	siphash_round(hash);
	siphash_round(hash);
	return hash->v[0] ^ hash->v[1] ^ hash->v[2] ^ hash->v[3];
}

#endif
