// The first record of a connection: who talks with whom.
#pragma once

static __always_inline struct record_open *open_begin(struct stream *stream, __u64 time)
{
	struct record_open *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	__u16 flags = 0;

	if (!record) {
		lose(LOST_RING_FULL);
		return NULL;
	}
	if (stream->flags & STREAM_FROM_START)
		flags |= OPEN_FROM_START;
	if (stream->flags & STREAM_ENCRYPTED)
		flags |= OPEN_ENCRYPTED;
	stream->flags |= STREAM_OPENED;
	head_fill(&record->head, sizeof(*record) - sizeof(record->path), RECORD_OPEN, flags, time, stream->id);
	record->local_port = record->remote_port = record->path_length = 0;
	record->netns = record->zero = 0;
	record->role = stream->role;
	__builtin_memset(record->local, 0, sizeof(record->local));
	__builtin_memset(record->remote, 0, sizeof(record->remote));
	return record;
}

static __always_inline void open_tcp(struct stream *stream, struct sock *sk, int how, __u64 time)
{
	struct record_open *record = open_begin(stream, time);

	if (!record)
		return;
	record->local_port = OF(how, sk, __sk_common.skc_num);
	record->remote_port = bpf_ntohs(OF(how, sk, __sk_common.skc_dport));
	record->netns = how == KNOWN ? sk->__sk_common.skc_net.net->ns.inum : BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (OF(how, sk, __sk_common.skc_family) == AF_INET6) {
		record->family = FAMILY_V6;
		bpf_probe_read_kernel(record->local, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_probe_read_kernel(record->remote, 16, &sk->__sk_common.skc_v6_daddr);
	} else {
		record->family = FAMILY_V4;
		*(__u32 *)record->local = OF(how, sk, __sk_common.skc_rcv_saddr);
		*(__u32 *)record->remote = OF(how, sk, __sk_common.skc_daddr);
	}
	bpf_ringbuf_submit(record, submit_flags());
}

static __always_inline void open_unix(struct stream *stream, struct sock *sk, __u64 time)
{
	struct unix_sock *own = (struct unix_sock *)sk;
	// Whoever accepted has the listener's address; whoever connected has none, and its peer has it.
	struct unix_address *address = BPF_CORE_READ(own, addr);
	stream->role = address ? ROLE_SERVER : ROLE_UNKNOWN;
	if (!address) {
		struct unix_sock *peer = (struct unix_sock *)BPF_CORE_READ(own, peer);
		address = BPF_CORE_READ(peer, addr);
		if (address)
			stream->role = ROLE_CLIENT;
	}
	struct record_open *record = open_begin(stream, time);

	if (!record)
		return;
	record->family = FAMILY_UNIX;
	if (address) {
		__u32 length = BPF_CORE_READ(address, len) - sizeof(unsigned short);
		// All of it, whatever its length: the record says how much counts. A name in the file system is counted with
		// its closing zero, an abstract one begins with a zero.
		if (length <= 108 && !bpf_probe_read_kernel(record->path, 108, &address->name[0].sun_path)) {
			if (length && record->path[0])
				length--;
			record->path_length = length;
			record->head.length += length;
		}
	}
	bpf_ringbuf_submit(record, submit_flags());
}
