/* Reading a SIP request: where its lines are, which of them are the headers that an answer needs. Pure.
 *
 * RFC 3261 7.3.1 (header fields), 7.3.3 (compact forms), 20 (names). Everything learned lies in the per-CPU
 * `struct reading`: registers would give the verifier one state for each way through a line. Eight bytes are compared
 * at a time. What is merely unusual (tabs, folding, a blank before the colon, very long lines) sets `odd`, and the
 * request is then none that the kernel answers.
 */
#ifndef SIPREAD_H
#define SIPREAD_H

#define LINE_STEPS 72         /* chunks and lines that one run of the stage reads */
#define MESSAGE_CHUNKS 24     /* of 64 bytes: what a datagram of an Ethernet frame has at most */
#define MESSAGE_MOST 1472
#define MESSAGE_LEAST 64      /* no request with the six headers that it must have is shorter */
#define GRAMMAR_STEPS 96      /* of four bytes */

#define REPEAT(c) (0x0101010101010101ull * (u64)(u8)(c))
#define LOWER 0x2020202020202020ull

#define NEVER_ENDING asm volatile("" ::: "memory")

/* A place in a buffer of MESSAGE_BYTES. The mask comes last and hidden: older kernels forget what came before it. */
static __always_inline u64 place_in(u32 at)
{
	u64 place = at;

	OPAQUE(place);
	return place & MESSAGE_MASK;
}

static __always_inline u64 eight_at(const u8 *at)
{
	return *(const u64 *)at;
}

static __always_inline void eight_put(u8 *at, u64 word)
{
	*(u64 *)at = word;
}

/* The top bit of every byte of `word` that equals the byte that `pattern` repeats. */
static __always_inline u64 bytes_equal(u64 word, u64 pattern)
{
	u64 differs = word ^ pattern;
	u64 carry = (differs & REPEAT(0x7f)) + REPEAT(0x7f);

	return ~(carry | differs | REPEAT(0x7f));
}

/* The top bit of every byte that is a control character, 0x7f included. */
static __always_inline u64 bytes_control(u64 word)
{
	u64 low = (word & REPEAT(0x7f)) + REPEAT(0x60);
	u64 delete = (word & REPEAT(0x7f)) + REPEAT(1);

	return (~(low | word) | (delete & ~word)) & REPEAT(0x80);
}

/* Eight top bits as eight neighbouring ones. */
static __always_inline u64 gathered(u64 tops)
{
	return ((tops >> 7) * 0x0102040810204080ull) >> 56;
}

/* The place of the lowest bit that is set. */
static __always_inline u32 lowest(u64 mask)
{
	u64 below = (mask & -mask) - 1;

	OPAQUE(below); /* LLVM 19 knows this way of counting, and would take a table that bcc does not load */
	below -= (below >> 1) & 0x5555555555555555ull;
	below = (below & 0x3333333333333333ull) + ((below >> 2) & 0x3333333333333333ull);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (below * 0x0101010101010101ull) >> 56;
}

/* Which of 64 bytes equal one of two. */
static __always_inline u64 mask_of_two(const u8 *at, u64 one, u64 other)
{
	u64 mask = 0;

#pragma unroll
	for (int i = 0; i < 8; i++) {
		u64 word = eight_at(at + 8 * i);

		mask |= gathered(bytes_equal(word, one) | bytes_equal(word, other)) << (8 * i);
	}
	return mask;
}

static __always_inline u64 mask_of_controls(const u8 *at)
{
	u64 mask = 0;

#pragma unroll
	for (int i = 0; i < 8; i++)
		mask |= gathered(bytes_control(eight_at(at + 8 * i))) << (8 * i);
	return mask;
}

/* Zeros behind the message, so that nothing of the one before is read with it. */
static __always_inline void reading_pad(struct reading *reading)
{
	u8 *end = reading->message + place_in(reading->bytes);

#pragma unroll
	for (int i = 0; i < MESSAGE_SLACK / 8; i++)
		eight_put(end + 8 * i, 0);
}

/* Forgets the request before; `bytes` of `message` are there already. */
static __always_inline void reading_begin(struct reading *reading, u32 bytes)
{
	__builtin_memset(&reading->mask, 0, sizeof(*reading) - __builtin_offsetof(struct reading, mask));
	reading->bytes = bytes;
	reading->chunks = (bytes + 63) >> 6;
	reading_pad(reading);
}

static __always_inline void reading_scan(struct reading *reading)
{
	u64 chunks = reading->chunks;

#pragma clang loop unroll(disable)
	for (u64 i = 0; i < MESSAGE_CHUNKS; i++) {
		OPAQUE(i);
		if (i >= chunks)
			break;
		reading->controls[i & 31] = mask_of_controls(reading->message + ((i & 31) << 6));
		NEVER_ENDING;
	}
}

/* A piece of a name as the machine reads it in lower case, and which of its bytes count. */
#define NAME_BYTE(text, n, i) ((i) < sizeof(text) - 1 ? (u64)(u8)(text)[(i) < sizeof(text) - 1 ? (i) : 0] << (8 * (n)) : 0)
#define NAME_MASK_BYTE(text, n, i) ((i) < sizeof(text) - 1 ? 0xffull << (8 * (n)) : 0)
#define NAME_EIGHT(piece, text, from)                                                              \
	(piece(text, 0, from) | piece(text, 1, from + 1) | piece(text, 2, from + 2) |              \
	 piece(text, 3, from + 3) | piece(text, 4, from + 4) | piece(text, 5, from + 5) |          \
	 piece(text, 6, from + 6) | piece(text, 7, from + 7))
#define NAME_DIFFERS(word, text, from) (((word) & NAME_EIGHT(NAME_MASK_BYTE, text, from)) ^ NAME_EIGHT(NAME_BYTE, text, from))

/* What is told apart; a compact form is a name like another. */
#define HEADER_NAMES(NAME)                    \
	NAME(VIA, "via")                      \
	NAME(VIA, "v")                        \
	NAME(FROM, "from")                    \
	NAME(FROM, "f")                       \
	NAME(TO, "to")                        \
	NAME(TO, "t")                         \
	NAME(CALL_ID, "call-id")              \
	NAME(CALL_ID, "i")                    \
	NAME(CSEQ, "cseq")                    \
	NAME(CONTACT, "contact")              \
	NAME(CONTACT, "m")                    \
	NAME(EXPIRES, "expires")              \
	NAME(REQUIRE, "require")              \
	NAME(USER_AGENT, "user-agent")        \
	NAME(CREDENTIALS, "authorization")    \
	NAME(CREDENTIALS, "proxy-authorization")

/* The header's kind, and the length of its name in the bits from 8 on. A blank may stand where the colon should. */
static __always_inline u32 header_kind(const u8 *line)
{
	u64 first = eight_at(line) | LOWER, second = eight_at(line + 8) | LOWER, third = eight_at(line + 16) | LOWER;
	u32 kind = HEADER_OTHER;

#define NAME(which, text)                                                                            \
	if (!(NAME_DIFFERS(first, text, 0) | NAME_DIFFERS(second, text, 8) | NAME_DIFFERS(third, text, 16)) && \
	    (line[sizeof(text) - 1] == ':' || line[sizeof(text) - 1] == ' ' || line[sizeof(text) - 1] == '\t')) \
		kind = HEADER_##which | (sizeof(text) - 1) << 8;
	HEADER_NAMES(NAME)
#undef NAME
	return kind;
}

/* The order in which headers stand, as one number: of each its kind and first letter. */
static __always_inline u64 order_add(u64 order, u32 kind, u8 letter)
{
	return (order + (kind << 8 | (letter | 0x20))) * 0x9e3779b97f4a7c15ull;
}

static __always_inline void keep_via(struct reading *reading, u32 start, u32 bytes)
{
	u32 number = reading->vias++;

	if (number >= MAX_VIAS) {
		reading->odd = 1;
		return;
	}
	reading->via_at[number & (MAX_VIAS - 1)] = start;
	reading->via_bytes[number & (MAX_VIAS - 1)] = bytes;
}

static __always_inline void keep_credentials(struct reading *reading, u32 start, u32 bytes)
{
	u32 number = reading->credentials++;

	if (number >= MAX_CREDENTIALS) {
		reading->odd = 1;
		return;
	}
	reading->credentials_at[number & (MAX_CREDENTIALS - 1)] = start;
	reading->credentials_bytes[number & (MAX_CREDENTIALS - 1)] = bytes;
}

/* One whole line from `start`, its CRLF included. */
static __always_inline void read_line(struct reading *reading, u32 start, u32 bytes)
{
	const u8 *line = reading->message + place_in(start);
	u32 kind, name_bytes;

	if (line[0] == ' ' || line[0] == '\t') {
		reading->odd = 1;
		return;
	}
	reading->found = header_kind(line);
	NEVER_ENDING;
	kind = reading->found & (HEADERS - 1);
	name_bytes = (reading->found >> 8) & 31;
	if (reading->headers++ < ORDERED_HEADERS)
		reading->order = order_add(reading->order, kind, line[0]);
	if (!kind)
		return;
	if (reading->message[place_in(start + name_bytes)] != ':')
		reading->odd = 1;
	if (kind == HEADER_VIA)
		keep_via(reading, start, bytes);
	else if (kind == HEADER_CREDENTIALS)
		keep_credentials(reading, start, bytes);
	if (!reading->count[kind]++ || kind == HEADER_CREDENTIALS) {
		reading->at[kind] = start;
		reading->length[kind] = bytes;
		reading->value_at[kind] = start + name_bytes + 1;
	}
}

/* A control character at `place`, bit `bit` of the mask. True: reading has come to its end. */
static __always_inline bool read_control(struct reading *reading, u32 place, u64 bit)
{
	const u8 *at = reading->message + place_in(place);
	u32 start = reading->line;

	if (at[0] != '\r' || at[1] != '\n' || place + 2 > reading->bytes) {
		reading->mask &= ~bit;
		if (at[0] == '\n' && place + 1 == start) /* the second half of a CRLF across two chunks */
			return false;
		reading->odd = 1;
		return at[0] != '\t';
	}
	reading->mask &= ~(bit | bit << 1);
	reading->line = place + 2;
	if (place == start) {
		reading->head_end = place + 2;
		return true;
	}
	if (start)
		read_line(reading, start, place + 2 - start);
	else
		reading->first_line_bytes = place + 2;
	return false;
}

/* One chunk or one line. True: the empty line was met, or there is nothing more to read. */
static __always_inline bool read_step(struct reading *reading)
{
	u32 chunk = reading->chunk;
	u64 mask = reading->mask;

	if (mask)
		return read_control(reading, ((chunk - 1) << 6) + lowest(mask), mask & -mask);
	if (chunk >= reading->chunks) {
		reading->odd = 1;
		return true;
	}
	reading->mask = reading->controls[chunk & 31];
	reading->chunk = chunk + 1;
	return false;
}

/* Some lines more. True: the whole head is read. */
static __always_inline bool read_lines(struct reading *reading)
{
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < LINE_STEPS; i++) {
		OPAQUE(i);
		if (read_step(reading))
			return true;
		NEVER_ENDING;
	}
	return false;
}

/* What a line comes to by a rule of `grammar` (appliance/kernel/grammar.py), from `at` to its CR. */
static __always_inline u32 line_verdict(struct reading *reading, const struct grammar *grammar, u32 rule, u32 at)
{
	reading->state = rule;
	reading->from = at;
	NEVER_ENDING;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < GRAMMAR_STEPS; i++) {
		const u8 *bytes = reading->message + place_in(reading->from + 4 * i);
		u64 state = reading->state;

		OPAQUE(i);
#pragma unroll
		for (int k = 0; k < 4; k++) {
			u64 row = state * GRAMMAR_CLASSES + grammar->classes[bytes[k]];

			OPAQUE(row);
			if (state > LINE_MARKED)
				state = grammar->following[row & (GRAMMAR_ROWS - 1)];
		}
		reading->state = state;
		if (state <= LINE_MARKED)
			return state;
		NEVER_ENDING;
	}
	return LINE_REFUSED;
}

#endif
