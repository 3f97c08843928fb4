// From «so many bytes went this way» to records.
#pragma once

// How many records one call makes at most: a head of 8 KiB in one range makes two, each further segment one more.
enum { PIECES = 8 };
// How many segments of a gathered call one record takes at most, and from how many bytes on it takes no more.
enum { SEGMENTS = 12, GATHERED = 1024 };
// Every so many calls a stream is asked about even if it always turns.
enum { ASK_EVERY = 16 };

// A call that moved bytes. It lies in a map, one for each program and processor (a program does not run twice on one
// processor at a time): so that the verifier looks at what copies bytes once, and not once for each way there.
struct call {
	struct source source;
	__u64 stream, time, offset;
	__u32 length, sequence;
	__u16 flags;
	bool readable;
	// The thread whose call it is. Some kernels let another thread in between; what it leaves is not ours then.
	__u64 owner;
	// Where the next bytes are, how many of them lie there, how many are wanted in all; segments taken so far.
	__u64 at, here, wanted, skip;
	__u32 next;
};
enum { CALL_SLOTS = 16 };
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CALL_SLOTS);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline struct call *call_begin(__u32 slot, __u32 length)
{
	struct call *call = bpf_map_lookup_elem(&calls, &slot);

	if (!call)
		return NULL;
	call->length = length;
	call->flags = 0;
	call->owner = bpf_get_current_pid_tgid();
	call->time = bpf_ktime_get_boot_ns();
	return call;
}

static __always_inline bool over_budget(struct policy *policy, __u64 now)
{
	if (!policy || !policy->cost)
		return false;
	__u64 until = policy->until > now ? policy->until : now;
	if (until - now > policy->burst) {
		__sync_fetch_and_add(&throttled, 1);
		return true;
	}
	policy->until = until + policy->cost;
	return false;
}

// One record with room for SIZE bytes; space in the ring is reserved by constants. What cannot be read is left out.
#define EMIT(SIZE)                                                                                            \
	{                                                                                                     \
		struct record_data *record = bpf_ringbuf_reserve(&records, sizeof(*record) + SIZE, 0);        \
		if (!record) {                                                                                \
			lose(LOST_RING_FULL);                                                                 \
			return 0;                                                                             \
		}                                                                                             \
		if (count > SIZE)                                                                             \
			count = SIZE;                                                                         \
		if (count && bpf_probe_read_user(record->bytes, count, (const void *)at)) {                   \
			lose(LOST_UNREADABLE);                                                                \
			count = 0;                                                                            \
		}                                                                                             \
		head_fill(&record->head, sizeof(*record) + count, RECORD_DATA, fields.head.flags, fields.head.time, fields.head.stream); \
		record->offset = fields.offset;                                                                \
		record->left = fields.left;                                                                  \
		record->sequence = fields.sequence;                                                            \
		bpf_ringbuf_submit(record, submit_flags());                                                   \
	}

// Makes the records of a call. Not static: the verifier looks at it once, by itself.
__noinline int pieces(__u32 slot)
{
	struct call *call = bpf_map_lookup_elem(&calls, &slot);

	if (!call)
		return 0;
	for (int i = 0; i < PIECES; i++) {
		if (call->readable && !call->here) {
			struct iovec segment;
			if (call->next >= call->source.count || !source_segment(&call->source, call->next, &segment))
				return 0;
			call->next++;
			if (segment.iov_len <= call->skip) {
				call->skip -= segment.iov_len;
				continue;
			}
			call->at = (__u64)segment.iov_base + call->skip;
			call->here = segment.iov_len - call->skip;
			call->skip = 0;
		}
		__u64 most = call->here < call->wanted ? call->here : call->wanted;
		struct record_data fields = {
			.head = { .flags = call->flags, .time = call->time, .stream = call->stream },
			.offset = call->offset,
			.left = call->length,
			.sequence = call->sequence,
		};
		__u64 at = call->at;
		barrier();
		if (call->owner != bpf_get_current_pid_tgid()) {
			lose(LOST_MISSED);
			return 0;
		}
		__u32 count = most > PIECE ? PIECE : most;
		if (count <= 256)
			EMIT(256)
		else if (count <= 1024)
			EMIT(1024)
		else
			EMIT(PIECE)
		if (!count)
			return 0;
		call->at += count;
		call->here -= count;
		call->wanted -= count;
		if (!call->wanted)
			return 0;
		call->offset += count;
		call->length -= count;
		if (call->sequence)
			call->sequence += count;
		call->flags &= ~(DATA_CALL_START | DATA_TURN);
	}
	return 0;
}

// To the next segment of a gathered call; false if there is none.
static __always_inline bool segment_next(struct call *call)
{
	struct iovec segment;

	if (call->next >= call->source.count || !source_segment(&call->source, call->next, &segment))
		return false;
	call->next++;
	if (segment.iov_len <= call->skip) {
		call->skip -= segment.iov_len;
		return true;
	}
	call->at = (__u64)segment.iov_base + call->skip;
	call->here = segment.iov_len - call->skip;
	call->skip = 0;
	return true;
}

// Makes one record of a call whose bytes lie in many places, often a few at each (sizes of chunks, heads of frames): of
// as many of them as fill the half of its room. Whether there is more. Not static, and without the loop around it: the
// verifier of old kernels would go through one loop for each turn of the other.
__noinline int gather(__u32 slot)
{
	struct call *call = bpf_map_lookup_elem(&calls, &slot);
	__u32 have = 0;

	if (!call)
		return 0;
	if (call->owner != bpf_get_current_pid_tgid()) {
		lose(LOST_MISSED);
		return 0;
	}
	struct record_data *record = bpf_ringbuf_reserve(&records, sizeof(*record) + 2 * GATHERED, 0);
	if (!record) {
		lose(LOST_RING_FULL);
		return 0;
	}
	for (int j = 0; j < SEGMENTS; j++) {
		if (have > GATHERED || !call->wanted || (!call->here && !segment_next(call)))
			break;
		__u64 most = call->here < call->wanted ? call->here : call->wanted;
		__u32 count = most > GATHERED ? GATHERED : most;
		if (bpf_probe_read_user(record->bytes + have, count, (const void *)call->at)) {
			lose(LOST_UNREADABLE);
			call->wanted = 0;
			break;
		}
		have += count;
		call->at += count;
		call->here -= count;
		call->wanted -= count;
	}
	head_fill(&record->head, sizeof(*record) + have, RECORD_DATA, call->flags, call->time, call->stream);
	record->offset = call->offset;
	record->left = call->length;
	record->sequence = call->sequence;
	bpf_ringbuf_submit(record, submit_flags());
	call->offset += have;
	call->length -= have;
	if (call->sequence)
		call->sequence += have;
	call->flags &= ~(DATA_CALL_START | DATA_TURN);
	return have && call->wanted;
}

__noinline int gathered(__u32 slot)
{
	for (int i = 0; i < PIECES; i++) {
		if (!gather(slot))
			return 0;
	}
	return 0;
}

// The first bytes of a call, as far as one segment has them.
static __always_inline bool peek(const struct call *call, char *bytes, __u32 size)
{
	const struct source *source = &call->source;
	__u64 at = source->base;

	if (!call->readable || call->length < size)
		return false;
	if (source->count) {
		struct iovec segment;
		if (!source_segment(source, 0, &segment) || segment.iov_len < source->skip + size)
			return false;
		at = (__u64)segment.iov_base + source->skip;
	}
	return !bpf_probe_read_user(bytes, size, (const void *)at);
}

// What the first bytes in one direction say about the stream. Five: a TLS library may ask for no more than the head of a
// record.
static __always_inline void look_at_first(struct stream *stream, const struct call *call)
{
	char bytes[5];

	if (!peek(call, bytes, sizeof(bytes)))
		return;
	// A TLS record of the handshake, or of data where we joined midway.
	if ((bytes[0] == 0x16 || bytes[0] == 0x17) && bytes[1] == 3 && bytes[2] <= 4) {
		if (!(call->flags & DATA_TLS))
			stream->flags |= STREAM_ENCRYPTED;
	} else if (bytes[0] == 'P' && bytes[1] == 'R' && bytes[2] == 'I' && bytes[3] == ' ' && bytes[4] == '*') {
		stream->mode = MODE_FRAMES;
	}
}

static __always_inline void ask(struct stream *stream)
{
	__u64 id = stream->id;
	struct verdict *verdict = bpf_map_lookup_elem(&verdicts, &id);

	if (!verdict)
		return;
	stream->skip[SEND] = verdict->skip[SEND];
	stream->skip[RECEIVE] = verdict->skip[RECEIVE];
	stream->mode = verdict->mode;
}

// Moves the stream on by this call, and captures of it what is wanted.
static __always_inline void capture(struct stream *stream, struct policy *policy, int direction, struct call *call, __u32 slot)
{
	bool turn = stream->last != direction;
	__u64 from = 0, limit;

	stream->last = direction;
	stream->position[direction] = call->offset + call->length;
	stream->sequence[direction] = call->sequence + call->length;
	stream->calls++;
	if (!turn || stream->calls % ASK_EVERY == 0)
		ask(stream);
	if (turn) {
		// A request begins: what the budget says now holds until the next one.
		if (direction == (stream->role == ROLE_SERVER ? RECEIVE : SEND) && stream->role != ROLE_UNKNOWN &&
		    stream->mode == MODE_MESSAGES) {
			stream->flags &= ~STREAM_MUTED;
			if (over_budget(policy, call->time))
				stream->flags |= STREAM_MUTED;
		}
		stream->window[direction] = HEAD;
		call->flags |= DATA_TURN;
	}
	if (stream->mode == MODE_NOTHING || stream->flags & STREAM_MUTED)
		return;
	if (stream->skip[direction] > call->offset) {
		from = stream->skip[direction] - call->offset;
		// Whose end is where the call's is: that is said, so that it is known when, and that it came.
		if (from > call->length)
			return;
	}
	limit = stream->mode == MODE_FRAMES ? HEAD : stream->window[direction];
	if (limit < MORE)
		limit = MORE;
	__u64 wanted = call->length - from;
	if (wanted > limit)
		wanted = limit;
	stream->window[direction] -= wanted < stream->window[direction] ? wanted : stream->window[direction];

	call->flags |= DATA_CALL_START | (direction == RECEIVE ? DATA_RECEIVE : 0);
	call->offset += from;
	call->length -= from;
	call->sequence += call->sequence ? from : 0;
	call->stream = stream->id;
	call->next = 0;
	// Without anything to read there is still one record, which says that the bytes went.
	call->readable = call->readable && wanted;
	call->wanted = call->readable ? wanted : 0;
	call->at = call->source.base + from;
	call->here = call->source.count ? 0 : wanted;
	call->skip = call->source.skip + from;
	if (call->readable && call->source.count > 1) {
		call->here = 0;
		gathered(slot);
	} else {
		pieces(slot);
	}
}
