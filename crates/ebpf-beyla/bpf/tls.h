// Plaintext of OpenSSL, and which connection carries it.
#pragma once

// A call of the library in progress, by thread.
struct tls_call {
	__u64 ssl, buffer, count_at, time;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct tls_call);
} tls_calls SEC(".maps");

// What a thread did last with encrypted connections.
struct tls_thread {
	__u64 connection;
	// The connection that the library itself used within the call in progress.
	__u64 inside;
	// Plaintext that was written when nothing had carried any yet: what is sent next carries it.
	__u64 pending;
	__u32 direction;
	__u32 role;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct tls_thread);
} tls_threads SEC(".maps");

struct tls_key {
	__u64 ssl, pid;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tls_key);
	__type(value, struct stream);
} tls_streams SEC(".maps");

static __always_inline void tls_join(__u64 plaintext, __u64 connection, __u64 time)
{
	struct record_tls *record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);

	if (!record) {
		lose(LOST_RING_FULL);
		return;
	}
	head_fill(&record->head, sizeof(*record), RECORD_TLS, 0, time, plaintext);
	record->connection = connection;
	bpf_ringbuf_submit(record, submit_flags());
}

// An encrypted connection was used by this thread.
static __always_inline void tls_carried(struct stream *stream, int direction, __u64 time)
{
	__u64 id = bpf_get_current_pid_tgid();

	if (!settings.tls)
		return;
	struct tls_thread *thread = bpf_map_lookup_elem(&tls_threads, &id);
	if (!thread) {
		struct tls_thread empty = { .connection = stream->id, .inside = stream->id, .direction = direction, .role = stream->role };
		bpf_map_update_elem(&tls_threads, &id, &empty, BPF_ANY);
		return;
	}
	thread->connection = thread->inside = stream->id;
	thread->direction = direction;
	thread->role = stream->role;
	if (direction == SEND && thread->pending) {
		tls_join(thread->pending, stream->id, time);
		thread->pending = 0;
	}
}

// Reading and writing are alike at their beginning.
static __always_inline int tls_begin(void *ssl, const void *buffer, size_t *count)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32;
	struct policy *policy = policy_of(pid);

	if (!policy || !(policy->flags & POLICY_OBSERVE))
		return 0;
	struct tls_call call = {
		.ssl = (__u64)ssl,
		.buffer = (__u64)buffer,
		.count_at = (__u64)count,
		.time = bpf_ktime_get_boot_ns(),
	};
	bpf_map_update_elem(&tls_calls, &id, &call, BPF_ANY);
	struct tls_thread *thread = bpf_map_lookup_elem(&tls_threads, &id);
	if (thread)
		thread->inside = 0;
	return 0;
}

static __always_inline struct stream *tls_stream(struct tls_key *key)
{
	struct stream *stream = bpf_map_lookup_elem(&tls_streams, key);

	if (stream)
		return stream;
	struct stream empty = { .flags = STREAM_OPENED };
	bpf_map_update_elem(&tls_streams, key, &empty, BPF_NOEXIST);
	stream = bpf_map_lookup_elem(&tls_streams, key);
	if (!stream) {
		lose(LOST_NO_STATE);
		return NULL;
	}
	stream_number(stream);
	return stream;
}

// Which connection carries it: the one that the library itself used just now; where it works on memory, the one that
// this thread has just received from, or the one that it sends on next.
static __always_inline void tls_find_carrier(struct stream *stream, struct tls_thread *thread, int direction, __u64 time)
{
	__u64 connection = thread->inside;

	if (!connection && direction == RECEIVE && thread->direction == RECEIVE)
		connection = thread->connection;
	if (!connection) {
		if (!stream->connection && direction == SEND)
			thread->pending = stream->id;
		return;
	}
	stream->role = thread->role;
	if (connection == stream->connection)
		return;
	stream->connection = connection;
	tls_join(stream->id, connection, time);
}

static __always_inline int tls_end(int direction, int ret, __u32 slot)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 pid = id >> 32;
	struct tls_call *begun = bpf_map_lookup_elem(&tls_calls, &id);

	if (!begun)
		return 0;
	struct tls_call call = *begun;
	bpf_map_delete_elem(&tls_calls, &id);
	if (ret <= 0)
		return 0;
	__u64 length = ret;
	if (call.count_at && bpf_probe_read_user(&length, sizeof(length), (void *)call.count_at))
		return 0;
	struct tls_key key = { .ssl = call.ssl, .pid = pid };
	struct stream *stream = tls_stream(&key);
	struct call *moved = stream ? call_begin(slot, length) : NULL;
	if (!moved || !length)
		return 0;
	if (direction == SEND)
		moved->time = call.time;
	moved->flags = DATA_TLS;
	moved->sequence = 0;
	moved->offset = stream->position[direction];
	moved->readable = true;
	moved->source.base = call.buffer;
	moved->source.skip = moved->source.count = 0;
	moved->source.user = true;
	struct tls_thread *thread = bpf_map_lookup_elem(&tls_threads, &id);
	if (thread)
		tls_find_carrier(stream, thread, direction, moved->time);
	if (!(stream->flags & (STREAM_SEEN << direction))) {
		stream->flags |= STREAM_SEEN << direction;
		look_at_first(stream, moved);
	}
	struct policy *policy = policy_of(pid);
	capture(stream, policy, direction, moved, slot);
	return 0;
}

static __always_inline int tls_free(void *ssl)
{
	struct tls_key key = { .ssl = (__u64)ssl, .pid = bpf_get_current_pid_tgid() >> 32 };
	struct stream *stream = bpf_map_lookup_elem(&tls_streams, &key);

	if (!stream)
		return 0;
	ended(stream, END_GONE);
	bpf_map_delete_elem(&tls_streams, &key);
	return 0;
}
