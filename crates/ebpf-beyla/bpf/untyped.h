// The lower rungs of the ladder, for kernels that have neither trampolines nor tracepoints behind a send and a receive.
// Here the verifier does not know what a socket is: fields are read by a helper, and no state can be kept in it. They see
// TCP alone.
#pragma once

// --- the way out of system calls: everybody's, so this costs all processes of the machine ---------------------------

// What a number of this process's descriptor table stands for, if it is a socket.
static __always_inline struct sock *socket_of(__u64 fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file;

	if (fd >= BPF_CORE_READ(table, max_fds) || bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return NULL;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	struct socket *socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

// Which way a call moves bytes; `flags` are those that it was given.
static __always_inline int direction_of_call(const struct pt_regs *regs, __u64 *flags)
{
	*flags = 0;
	if (CALL_IS_NARROW(regs))
		return NEITHER;
	switch (CALL_NUMBER(regs)) {
	case CALL_WRITE:
	case CALL_WRITEV:
	case CALL_SENDTO:
	case CALL_SENDMSG:
	case CALL_SENDFILE:
		return SEND;
	case CALL_RECVFROM:
		*flags = CALL_ARGUMENT_4(regs);
		return RECEIVE;
	case CALL_RECVMSG:
		*flags = CALL_ARGUMENT_3(regs);
		return RECEIVE;
	case CALL_READ:
	case CALL_READV:
		return RECEIVE;
	default:
		return NEITHER;
	}
}

SEC("tp_btf/sys_exit") int BPF_PROG(call_done, struct pt_regs *regs, long ret)
{
	enum { SLOT = 10 };
	struct policy *policy;
	__u64 flags;
	int direction;

	if (ret <= 0)
		return 0;
	direction = direction_of_call(regs, &flags);
	if (direction == NEITHER || flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	struct sock *sk = socket_of(CALL_ARGUMENT_1(regs));
	if (!sk || !is_tcp(sk, FOUND) || !wanted(sk, true, FOUND, &policy))
		return 0;
	struct call *call = call_begin(SLOT, ret);
	if (!call)
		return 0;
	call->readable = source_of_call(&call->source, regs);
	if (direction == SEND)
		moved(sk, true, FOUND, SEND, true, policy, call, SLOT);
	else
		moved(sk, true, FOUND, RECEIVE, true, policy, call, SLOT);
	return 0;
}

// --- kprobes ----------------------------------------------------------------------------------------------------------

// A receive in progress, by thread: behind it nobody tells any more where the bytes are.
struct receiving {
	__u64 socket, message;
	__u64 flags;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct receiving);
} receiving SEC(".maps");

SEC("kprobe") int BPF_KPROBE(probe_send, struct socket *socket, struct msghdr *msg, size_t size)
{
	struct sock *sk = BPF_CORE_READ(socket, sk);

	return sk ? message_send(sk, FOUND, msg, size, 11) : 0;
}

SEC("kprobe") int BPF_KPROBE(probe_receive, struct socket *socket, struct msghdr *msg, size_t size, int flags)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct receiving now = { .socket = (__u64)socket, .message = (__u64)msg, .flags = flags };

	bpf_map_update_elem(&receiving, &id, &now, BPF_ANY);
	return 0;
}

SEC("kretprobe") int BPF_KRETPROBE(probe_received, int ret)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct receiving *begun = bpf_map_lookup_elem(&receiving, &id);

	if (!begun)
		return 0;
	struct receiving now = *begun;
	bpf_map_delete_elem(&receiving, &id);
	struct socket *socket = (struct socket *)now.socket;
	struct sock *sk = BPF_CORE_READ(socket, sk);
	return sk ? message_done(sk, true, FOUND, RECEIVE, (struct msghdr *)now.message, now.flags, ret, 12) : 0;
}
