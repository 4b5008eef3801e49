/* Counts the UDP datagrams that reach an interface and drops them; everything else passes. Not part of the gate. */
#include <uapi/linux/bpf.h>
#include <uapi/linux/if_ether.h>

struct sunk {
	u64 packets;
	u64 bytes;
};

BPF_PERCPU_ARRAY(sunk, struct sunk, 1);

int sink(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct sunk *count;
	bool udp4, udp6;
	u32 zero = 0;

	if (data + 62 > end)
		return XDP_PASS;
	udp4 = data[12] == 0x08 && data[13] == 0x00 && data[23] == 17;
	udp6 = data[12] == 0x86 && data[13] == 0xdd && data[20] == 17;
	count = sunk.lookup(&zero);
	if (!(udp4 || udp6) || !count)
		return XDP_PASS;
	count->packets++;
	count->bytes += end - data;
	return XDP_DROP;
}
