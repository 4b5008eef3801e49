/* Every map of the gate. layout.h says what the rows mean. */

#define MAP(kind, key, leaf, name, entries, flags) BPF_F_TABLE(kind, key, leaf, name, entries, flags)

/* bcc's own BPF_RINGBUF_OUTPUT does not know its records. */
#define RING(record, name, bytes)                                    \
	struct name##_table_t {                                      \
		int key;                                             \
		record leaf;                                         \
		int (*ringbuf_output)(void *, u64, u64);             \
		void *(*ringbuf_reserve)(u64);                       \
		void (*ringbuf_discard)(void *, u64);                \
		void (*ringbuf_submit)(void *, u64);                 \
		u64 (*ringbuf_query)(u64);                           \
		u32 max_entries;                                     \
	};                                                           \
	__attribute__((section("maps/ringbuf")))                     \
	struct name##_table_t name = {.max_entries = (bytes)}

MAP("lpm_trie", struct firewall_key, struct firewall_rule, firewall_shape, 1, BPF_F_NO_PREALLOC); /* what a map of rules looks like */
MAP("hash", struct address, u32, listed_shape, 1, BPF_F_NO_PREALLOC); /* what a list's map of addresses looks like */
MAP("lpm_trie", struct network, u32, listed_net_shape, 1, BPF_F_NO_PREALLOC); /* what a list's map of networks looks like */
MAP("array", u32, struct policy, policies, 2, 0); /* the policy in force, and room for the next one */
MAP("array", u32, u32, active, 1, 0); /* which of the two policies is in force */
MAP("array", u32, struct pulse, pulse, 1, 0); /* the service's last sign of life */
MAP("prog", u32, u32, stages, MAX_STAGES, 0); /* programs that a packet may be handed on to */
MAP("hash", struct service_port, u32, service_ports, MAX_SERVICE_PORTS, 0); /* ports that are guarded as signalling */
MAP("array", u32, u32, tunnel_port, 1, 0); /* UDP port of the administrators' tunnel; 0: there is none */
MAP("hash", struct address, struct source, sources, MAX_ADDRESSES, BPF_F_NO_PREALLOC); /* single addresses that are allowed or known */
MAP("lpm_trie", struct network, struct source, source_nets, MAX_NETWORKS, BPF_F_NO_PREALLOC); /* networks that are allowed or known */
MAP("hash", struct endpoint, struct pair, pairs, MAX_PAIRS, BPF_F_NO_PREALLOC); /* single devices that are known or banned */
MAP("hash", struct address, struct ban, bans, MAX_BANS, BPF_F_NO_PREALLOC); /* single addresses that are banned */
MAP("lpm_trie", struct network, struct ban, ban_nets, MAX_NETWORKS, BPF_F_NO_PREALLOC); /* networks that are banned */
MAP("array_of_maps$firewall_shape", u32, u32, firewalls, 1, 0); /* the static rules in force */
MAP("array", u32, struct listing, listings, 1, 0); /* which lists are in force, and as what */
MAP("array", u32, struct list, lists, MAX_LISTS, 0); /* the keeper's notes on each list */
MAP("array_of_maps$listed_shape", u32, u32, listed, MAX_LISTS, 0); /* each list's single addresses */
MAP("array_of_maps$listed_net_shape", u32, u32, listed_nets, MAX_LISTS, 0); /* each list's networks */
MAP("lru_hash", struct bucket_key, struct bucket, buckets, MAX_BUCKETS, 0); /* how full each source's bucket is */
MAP("array", u32, struct bucket, shared_buckets, SHARED_BUCKETS, 0); /* how full the buckets are that all unknown sources share */
MAP("array", u32, struct bucket, speeds, MAX_SPEEDS, 0); /* how full each interface's ceiling is */
MAP("lru_hash", struct fragment_key, struct fragment_row, fragments, MAX_FRAGMENTS, 0); /* what became of first fragments */
MAP("hash", struct endpoint, struct stream, streams, MAX_STREAMS, BPF_F_NO_PREALLOC); /* what the office wants of each media stream */
MAP("hash", struct endpoint, struct stream_state, stream_state, MAX_STREAMS, BPF_F_NO_PREALLOC); /* what the kernel counted and learned of it */
MAP("hash", u64, u64, leases, MAX_LEASES, BPF_F_NO_PREALLOC); /* session to the instant at which its media end */
MAP("hash", u32, struct path, paths, MAX_PATHS, 0); /* interfaces that a packet may leave by */
MAP("percpu_array", u32, struct packet, packets, 1, 0); /* the packet in hand */
MAP("percpu_array", u32, struct scratch, scratches, 1, 0); /* a datagram whose checksum is being made */
MAP("percpu_array", u32, struct tally, tallies, VERDICTS, 0); /* packets and bytes of each verdict */
MAP("array", u32, struct scanners, scanners, 2, 0); /* how scanners are known, and room for the next list */
MAP("array", u32, u32, scanners_active, 1, 0); /* which of the two is in force */
MAP("hash", struct refresh_key, struct refresh, refreshes, MAX_REFRESHES, BPF_F_NO_PREALLOC); /* registrations whose repetition is answered here */
MAP("lru_hash", struct address, struct offender, offenders, MAX_OFFENDERS, 0); /* what each source did on service ports */
MAP("percpu_array", u32, u64, losses, LOSSES, 0); /* records that found their ring full */
RING(struct offence, offences, OFFENCES_BYTES); /* limits that sources passed */
RING(struct sample, samples, SAMPLES_BYTES); /* sampled drops */
MAP("percpu_array", u32, struct reading, readings, 1, 0); /* the request in hand, and the answer to it */
MAP("array", u32, struct grammar, grammars, 1, 0); /* what lines of requests that are answered here may look like */
