// Where the bytes of a call lie in the process's memory.
#pragma once

// Of a structure of the kernel's: `KNOWN` where the verifier knows its type and lets us read its fields as they are;
// `FOUND` where we came upon its address, and a helper has to read them, which costs more.
enum { KNOWN, FOUND };
#define OF(how, pointer, field) ((how) == KNOWN ? (pointer)->field : BPF_CORE_READ(pointer, field))

// Either one range (`count` 0), or an array of them, of which the first one counts from `skip`.
struct source {
	__u64 base;
	__u64 skip;
	__u32 count;
	// The array lies in the process's memory, not in the kernel's.
	bool user;
};

// What is behind so many segments is not looked at.
enum { MOST_SEGMENTS = 256 };

static __always_inline bool source_segment(const struct source *source, __s32 index, struct iovec *segment)
{
	const void *at = (const void *)(source->base + index * (__s64)sizeof(struct iovec));
	return !(source->user ? bpf_probe_read_user(segment, sizeof(*segment), at)
			      : bpf_probe_read_kernel(segment, sizeof(*segment), at));
}

enum { BYTES_ELSEWHERE = 0, BYTES_IN_ONE = 1, BYTES_IN_SEVERAL = 2 };

// What kind of iterator it is. The numbers were changed between kernels, so they are asked for by name.
static __always_inline int iterator_kind(struct iov_iter *it, int how)
{
	__u32 type;

	if (bpf_core_field_exists(it->iter_type))
		type = OF(how, it, iter_type);
	else
		// The lowest bit was the direction.
		type = OF(how, (struct iov_iter___before_5_14 *)it, type) & ~1U;
	if (bpf_core_enum_value_exists(enum iter_type, ITER_UBUF) && type == bpf_core_enum_value(enum iter_type, ITER_UBUF))
		return BYTES_IN_ONE;
	if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC))
		return BYTES_IN_SEVERAL;
	// Pages of files and buffers of the kernel: not the application's messages.
	return BYTES_ELSEWHERE;
}

// Where the buffer or the array is; they share a place. By way of memory: the verifier takes it for a pointer of the
// kernel's, with which it forbids arithmetic, until it has been there.
static __always_inline __u64 iterator_base(struct source *source, struct iov_iter *it, int how)
{
	if (bpf_core_field_exists(it->__iov))
		source->base = (__u64)OF(how, it, __iov);
	else
		source->base = (__u64)OF(how, (struct iov_iter___before_6_4 *)it, iov);
	barrier();
	return *(volatile __u64 *)&source->base;
}

// A message that is about to be sent: the iterator stands at its first byte.
static __always_inline bool source_ahead(struct source *source, struct iov_iter *it, int how)
{
	int kind = iterator_kind(it, how);

	source->user = false;
	source->skip = 0;
	source->count = 0;
	if (kind == BYTES_IN_ONE) {
		source->base = iterator_base(source, it, how) + OF(how, it, iov_offset);
		return true;
	}
	if (kind != BYTES_IN_SEVERAL)
		return false;
	iterator_base(source, it, how);
	source->skip = OF(how, it, iov_offset);
	__u64 segments = OF(how, it, nr_segs);
	source->count = segments > MOST_SEGMENTS ? MOST_SEGMENTS : segments;
	return true;
}

// To the segment before, if the message began there. False if it cannot be read.
static __always_inline bool step_back(const struct source *source, int *steps, __u64 *here, __u64 *length)
{
	struct iovec segment;

	if (*length <= *here)
		return true;
	*length -= *here;
	*steps += 1;
	if (!source_segment(source, -*steps, &segment))
		return false;
	*here = segment.iov_len;
	return true;
}

// A message that was sent or received: the iterator stands behind its last byte, `length` bytes further on.
static __always_inline bool source_behind(struct source *source, struct iov_iter *it, int how, __u64 length)
{
	int kind = iterator_kind(it, how);

	source->user = false;
	source->skip = 0;
	source->count = 0;
	if (kind == BYTES_IN_ONE) {
		source->base = iterator_base(source, it, how) + OF(how, it, iov_offset) - length;
		return true;
	}
	if (kind != BYTES_IN_SEVERAL)
		return false;
	iterator_base(source, it, how);
	__u64 here = OF(how, it, iov_offset);
	int steps = 0;
	// Four times and not in a loop: kernels before 5.17 do not take the loop that the compiler makes of it.
	if (!step_back(source, &steps, &here, &length) || !step_back(source, &steps, &here, &length) ||
	    !step_back(source, &steps, &here, &length) || !step_back(source, &steps, &here, &length))
		return false;
	if (length > here)
		return false;
	source->base -= steps * sizeof(struct iovec);
	source->skip = here - length;
	source->count = steps + 1;
	return true;
}

// A message that a system call has just moved, by the registers it was made with.
static __always_inline bool source_of_call(struct source *source, const struct pt_regs *regs)
{
	if (CALL_IS_NARROW(regs))
		return false;
	__u64 number = CALL_NUMBER(regs);

	source->skip = 0;
	source->count = 0;
	source->user = true;
	source->base = CALL_ARGUMENT_2(regs);
	switch (number) {
	case CALL_READ:
	case CALL_WRITE:
	case CALL_SENDTO:
	case CALL_RECVFROM:
		return true;
	case CALL_READV:
	case CALL_WRITEV:
		source->count = CALL_ARGUMENT_3(regs) > MOST_SEGMENTS ? MOST_SEGMENTS : CALL_ARGUMENT_3(regs);
		return true;
	case CALL_SENDMSG:
	case CALL_RECVMSG: {
		struct user_msghdr header;
		if (bpf_probe_read_user(&header, sizeof(header), (void *)source->base))
			return false;
		source->base = (__u64)header.msg_iov;
		source->count = header.msg_iovlen > MOST_SEGMENTS ? MOST_SEGMENTS : header.msg_iovlen;
		return true;
	}
	default:
		// sendfile, splice, io_uring, sendmmsg: the bytes are not where we look.
		return false;
	}
}
