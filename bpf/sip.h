/* What the first bytes of a datagram on a SIP port say. Pure.
 *
 * RFC 3261 7.1 and 7.2 (start lines), 7.5 (CRLF before a start line), RFC 5626 3.5.1 (CRLF keepalive),
 * RFC 8489 5 (STUN's cookie). A method is case-sensitive and ends at one space.
 */
#ifndef SIP_H
#define SIP_H

#define SIP_LONGEST_TOKEN 16

/* Eight bytes as the machine reads them from the packet; the compiler folds a literal to one number. */
#define BYTE(text, n) ((u64)(u8)(text)[n] << (8 * (n)))
#define EIGHT(text)                                                                                   \
	(BYTE(text, 0) | BYTE(text, 1) | BYTE(text, 2) | BYTE(text, 3) | BYTE(text, 4) | BYTE(text, 5) | \
	 BYTE(text, 6) | BYTE(text, 7))

#define STUN_COOKIE 0x42a41221u

/* Known methods: RFC 3261, 3262, 3311, 3428, 3515, 3903, 6086, 6665. The first eight bytes, and how many of them count. */
#define SIP_METHODS(METHOD)       \
	METHOD("INVITE \0", 7)        \
	METHOD("ACK \0\0\0\0", 4)     \
	METHOD("BYE \0\0\0\0", 4)     \
	METHOD("CANCEL \0", 7)        \
	METHOD("REGISTER", 8)         \
	METHOD("OPTIONS ", 8)         \
	METHOD("PRACK \0\0", 6)       \
	METHOD("UPDATE \0", 7)        \
	METHOD("INFO \0\0\0", 5)      \
	METHOD("MESSAGE ", 8)         \
	METHOD("REFER \0\0", 6)       \
	METHOD("SUBSCRIB", 8)         \
	METHOD("NOTIFY \0", 7)        \
	METHOD("PUBLISH ", 8)

static __always_inline bool sip_method_known(u64 start)
{
#define METHOD(text, bytes) \
	if ((start & (~0ull >> (64 - 8 * (bytes)))) == EIGHT(text)) \
		return true;
	SIP_METHODS(METHOD)
#undef METHOD
	return false;
}

/* An upper-case token of at most SIP_LONGEST_TOKEN bytes, a space, and a URI scheme that starts like sip, sips or tel. */
static __always_inline bool sip_method_plausible(const u8 *at, const void *end)
{
	for (int i = 0; i < SIP_LONGEST_TOKEN; i++) {
		const u8 *byte = at + i;

		if ((void *)(byte + 2) > end)
			return false;
		if (*byte == ' ')
			return i > 0 && (byte[1] == 's' || byte[1] == 't');
		if (*byte < 'A' || *byte > 'Z')
			return false;
	}
	return false;
}

static __always_inline enum verdict sip_short(const u8 *at, const void *end, u32 bytes)
{
	if (bytes == 0)
		return VERDICT_sip_empty;
	if ((void *)(at + 1) > end)
		return VERDICT_sip_garbage;
	if (bytes >= 2 && (void *)(at + 2) <= end && at[0] == '\r' && at[1] == '\n')
		return VERDICT_sip_keepalive;
	if (at[0])
		return VERDICT_sip_garbage;
	return bytes <= 4 ? VERDICT_sip_empty : VERDICT_sip_garbage;
}

/* The verdict on a UDP payload of `bytes` bytes that begins at `at`. */
static __always_inline enum verdict sip_sniff(const u8 *at, const void *end, u32 bytes)
{
	u64 start;

	if (bytes < 8 || (void *)(at + 8) > end)
		return sip_short(at, end, bytes);
	__builtin_memcpy(&start, at, 8);
	if (start == EIGHT("SIP/2.0 "))
		return VERDICT_sip_response;
	if (sip_method_known(start))
		return VERDICT_sip_request;
	if (start >> 32 == STUN_COOKIE && at[0] < 4)
		return VERDICT_sip_stun;
	if (at[0] == '\r' && at[1] == '\n')
		return VERDICT_sip_keepalive;
	return sip_method_plausible(at, end) ? VERDICT_sip_unknown_method : VERDICT_sip_garbage;
}

#endif
