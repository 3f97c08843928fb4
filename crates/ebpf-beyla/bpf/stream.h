// What is remembered of a stream, and where: in its socket, or before 5.11 in a table by socket.
#pragma once

enum { SEND = 0, RECEIVE = 1, NEITHER = 2 };
enum {
	STREAM_OPENED = 1,      // the record is out
	STREAM_FROM_START = 2,  // followed from its birth
	STREAM_ENCRYPTED = 4,   // TLS of the application's own making
	STREAM_MUTED = 8,       // this exchange is over budget
	STREAM_KERNEL_TLS = 16, // the kernel encrypts; what we see is plain
	// Two of each, for sends and for receives.
	STREAM_COUNTED = 32,    // `sequence` belongs to `position`
	STREAM_SEEN = 128,      // the first bytes have been looked at
};

struct stream {
	__u64 id;
	// Offset behind what we have seen, by direction, and the TCP sequence number of that place.
	__u64 position[2];
	__u32 sequence[2];
	// Not captured below this offset.
	__u64 skip[2];
	// What may still be captured of the message that began at the last turn.
	__u32 window[2];
	__u32 calls, flags;
	__u8 role, mode, last, unused;
	// Of a stream of plaintext: the connection that carries it.
	__u64 connection;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct stream);
} in_sockets SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct stream);
} by_socket SEC(".maps");

static __always_inline void lose(__u32 reason)
{
	__sync_fetch_and_add(&lost[reason], 1);
}

static __always_inline struct stream *stream_find(struct sock *sk)
{
	if (settings.socket_storage)
		return bpf_sk_storage_get(&in_sockets, sk, 0, 0);
	__u64 key = (__u64)sk;
	return bpf_map_lookup_elem(&by_socket, &key);
}

// Unique for 52 days: two streams are not made on one processor in one nanosecond.
static __always_inline void stream_number(struct stream *stream)
{
	stream->id = bpf_ktime_get_boot_ns() << 12 | (bpf_get_smp_processor_id() & 4095);
	stream->last = NEITHER;
}

static __always_inline struct stream *stream_make(struct sock *sk)
{
	struct stream *stream;

	if (settings.socket_storage) {
		stream = bpf_sk_storage_get(&in_sockets, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	} else {
		struct stream empty = {};
		__u64 key = (__u64)sk;
		bpf_map_update_elem(&by_socket, &key, &empty, BPF_ANY);
		stream = bpf_map_lookup_elem(&by_socket, &key);
	}
	if (!stream) {
		lose(LOST_NO_STATE);
		return NULL;
	}
	stream_number(stream);
	return stream;
}

// For sockets that live on under the same address when the connection is over.
static __always_inline void stream_forget(struct sock *sk)
{
	if (settings.socket_storage) {
		bpf_sk_storage_delete(&in_sockets, sk);
		return;
	}
	__u64 key = (__u64)sk;
	bpf_map_delete_elem(&by_socket, &key);
}

// Wakes the reader when there is enough to read, and not for each record: that costs more than all the rest.
static __always_inline __u64 submit_flags(void)
{
	return bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >= settings.wake_at ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
}

static __always_inline void head_fill(struct record_head *head, __u32 length, __u8 kind, __u16 flags, __u64 time, __u64 stream)
{
	__u64 id = bpf_get_current_pid_tgid();

	head->length = length;
	head->version = RECORD_VERSION;
	head->kind = kind;
	head->flags = flags;
	head->time = time;
	head->pid = id >> 32;
	head->tid = id;
	head->stream = stream;
}

static __always_inline void ended(struct stream *stream, __u32 end)
{
	if (!(stream->flags & STREAM_OPENED))
		return;
	struct record_close *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		lose(LOST_RING_FULL);
		return;
	}
	head_fill(&record->head, sizeof(*record), RECORD_CLOSE, 0, bpf_ktime_get_boot_ns(), stream->id);
	record->end = end;
	record->zero = 0;
	record->sent = stream->position[SEND];
	record->received = stream->position[RECEIVE];
	bpf_ringbuf_submit(record, submit_flags());
}
