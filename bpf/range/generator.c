/* The attacker of the self-test and of the benchmarks: sends templates in turn, as fast as one CPU can.
 *
 * Not part of the gate. Run on live frames (BPF_F_TEST_XDP_LIVE_FRAMES, kernel 5.18), whose pages come back as the
 * receiver left them: so each frame is written whole, every time. Its length comes back too, and the kernel sets it
 * right only where this program has changed it (ctx_was_changed() in net/bpf/test_run.c): hence SPARE_BYTES, which are
 * cut off each time. FRAMES, FRAME_BYTES, IFINDEX and the flags come from the command line of the compiler.
 */
#include <uapi/linux/bpf.h>

#define SPARE_BYTES 8
#define SOURCE_AT 26  /* of the IPv4 source in an untagged frame, and of the ports behind it */
#define PORT_AT 34
#define IP_CHECKSUM_AT 24

struct template {
	u8 byte[FRAME_BYTES];
};

BPF_PERCPU_ARRAY(turn, u64, 1);
BPF_ARRAY(templates, struct template, FRAMES);

/* RFC 1624, equation 3: the header's checksum after one of its words became another. */
static inline u16 checksum_after(u16 checksum, u32 old, u32 new)
{
	u32 sum = (u16)~checksum;

	sum += (u16)~(old & 0xffff) + (u16)~(old >> 16);
	sum += (new & 0xffff) + (new >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A source that nobody can ban: any address of 32.0.0.0 to 95.255.255.255, any port above 1023. */
static inline int forge_source(struct xdp_md *ctx)
{
	u32 random = bpf_get_prandom_u32();
	u32 source = __builtin_bswap32(0x20000000 + (random & 0x3fffffff)), old;
	u16 port = __builtin_bswap16(1024 + (bpf_get_prandom_u32() & 0x7fff)), checksum;

	if (bpf_xdp_load_bytes(ctx, SOURCE_AT, &old, 4) || bpf_xdp_load_bytes(ctx, IP_CHECKSUM_AT, &checksum, 2))
		return -1;
	checksum = checksum_after(checksum, old, source);
	bpf_xdp_store_bytes(ctx, IP_CHECKSUM_AT, &checksum, 2);
	bpf_xdp_store_bytes(ctx, PORT_AT, &port, 2);
	return bpf_xdp_store_bytes(ctx, SOURCE_AT, &source, 4);
}

int generate(struct xdp_md *ctx)
{
	u32 zero = 0, index;
	u64 *count = turn.lookup(&zero);
	struct template *template;

	if (!count)
		return XDP_ABORTED;
	index = (*count)++ % FRAMES;
	template = templates.lookup(&index);
	if (!template || bpf_xdp_adjust_tail(ctx, -SPARE_BYTES) || bpf_xdp_store_bytes(ctx, 0, template->byte, FRAME_BYTES))
		return XDP_ABORTED;
#ifdef FORGE_SOURCES
	if (forge_source(ctx))
		return XDP_ABORTED;
#endif
	return bpf_redirect(IFINDEX, 0);
}
