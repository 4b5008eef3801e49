/* Every map of the gate. layout.h says what the rows mean. */

/* With PIN_DIR the maps live in the file system and outlast the keeper. */
#ifdef PIN_DIR
#define MAP(kind, key, leaf, name, entries, flags) \
	BPF_TABLE_PINNED(kind, key, leaf, name, entries, PIN_DIR "/" #name, flags)
#else
#define MAP(kind, key, leaf, name, entries, flags) BPF_F_TABLE(kind, key, leaf, name, entries, flags)
#endif

MAP("array", u32, struct policy, policies, 2, 0); /* the policy in force, and room for the next one */
MAP("array", u32, u32, active, 1, 0); /* which of the two policies is in force */
MAP("prog", u32, u32, stages, MAX_STAGES, 0); /* programs that a packet may be handed on to */
MAP("hash", struct service_port, u32, service_ports, MAX_SERVICE_PORTS, 0); /* ports that are guarded as signalling */
MAP("hash", struct address, struct source, sources, MAX_ADDRESSES, BPF_F_NO_PREALLOC); /* single addresses that are allowed or known */
MAP("lpm_trie", struct network, struct source, source_nets, MAX_NETWORKS, BPF_F_NO_PREALLOC); /* networks that are allowed or known */
MAP("hash", struct endpoint, struct pair, pairs, MAX_PAIRS, BPF_F_NO_PREALLOC); /* single devices that are known or banned */
MAP("hash", struct address, struct ban, bans, MAX_BANS, BPF_F_NO_PREALLOC); /* single addresses that are banned */
MAP("lpm_trie", struct network, struct ban, ban_nets, MAX_NETWORKS, BPF_F_NO_PREALLOC); /* networks that are banned */
MAP("lru_hash", struct bucket_key, struct bucket, buckets, MAX_BUCKETS, 0); /* how full each source's bucket is */
MAP("hash", struct endpoint, struct stream, streams, MAX_STREAMS, BPF_F_NO_PREALLOC); /* what the office wants of each media stream */
MAP("hash", struct endpoint, struct stream_state, stream_state, MAX_STREAMS, BPF_F_NO_PREALLOC); /* what the kernel counted and learned of it */
MAP("hash", u64, u64, leases, MAX_LEASES, BPF_F_NO_PREALLOC); /* session to the instant at which its media end */
MAP("hash", u32, struct path, paths, MAX_PATHS, 0); /* interfaces that a packet may leave by */
MAP("percpu_array", u32, struct packet, packets, 1, 0); /* the packet in hand */
MAP("percpu_array", u32, struct scratch, scratches, 1, 0); /* a datagram whose checksum is being made */
MAP("percpu_array", u32, struct tally, tallies, VERDICTS, 0); /* packets and bytes of each verdict */
