// The processes of the machine and the ports that they listen on: two iterators for what is, tracepoints for what
// changes. Everything here works with CAP_BPF and CAP_PERFMON, in all namespaces at once, without /proc.
#include "kernel.h"
#include <bpf_helpers.h>
#include <bpf_tracing.h>
#include <bpf_core_read.h>
#include "process.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Records that found no place in the ring.
__u64 lost SEC(".bss.lost");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} events SEC(".maps");

static __always_inline struct process_event *begin(__u8 kind, __u32 pid)
{
	struct process_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&lost, 1);
		return NULL;
	}
	event->kind = kind;
	event->family = 0;
	event->port = 0;
	event->netns = 0;
	event->time = bpf_ktime_get_boot_ns();
	event->started = 0;
	event->pid = pid;
	event->parent = 0;
	event->status = 0;
	event->file_length = 0;
	return event;
}

SEC("iter/task") int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct process_row row = {};

	if (!task || task->pid != task->tgid)
		return 0;
	row.pid = task->tgid;
	row.parent = task->real_parent->tgid;
	row.uid = task->cred->uid.val;
	row.started = task->start_boottime;
	bpf_probe_read_kernel_str(row.comm, sizeof(row.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

SEC("iter/task_file") int listeners(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct listener_row row = {};

	if (!file || !task || task->tgid != task->pid)
		return 0;
	if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	struct socket *socket = file->private_data;
	struct sock *sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_LISTEN)
		return 0;
	row.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (row.family != AF_INET && row.family != AF_INET6)
		return 0;
	row.pid = task->tgid;
	row.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	row.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

SEC("tp_btf/sched_process_exec") int BPF_PROG(on_exec, struct task_struct *task, pid_t old, struct linux_binprm *bprm)
{
	struct process_event *event = begin(PROCESS_EXEC, task->tgid);

	if (!event)
		return 0;
	event->parent = task->real_parent->tgid;
	event->started = task->start_boottime;
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), task->comm);
	long length = bpf_probe_read_kernel_str(event->file, sizeof(event->file), bprm->filename);
	// The closing zero is counted.
	event->file_length = length > 0 ? length - 1 : 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/sched_process_fork") int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	// Threads are no processes.
	if (child->pid != child->tgid)
		return 0;
	struct process_event *event = begin(PROCESS_FORK, child->tgid);

	if (!event)
		return 0;
	event->parent = parent->tgid;
	event->started = child->start_boottime;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit") int BPF_PROG(on_exit, struct task_struct *task)
{
	// The last thread to go has taken the count to zero.
	if (task->signal->live.counter != 0)
		return 0;
	struct process_event *event = begin(PROCESS_EXIT, task->tgid);

	if (!event)
		return 0;
	event->status = task->group_leader->exit_code;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/inet_sock_set_state") int BPF_PROG(on_state, struct sock *sk, int before, int after)
{
	if (before != TCP_LISTEN && after != TCP_LISTEN)
		return 0;
	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	struct process_event *event = begin(after == TCP_LISTEN ? PROCESS_LISTEN : PROCESS_UNLISTEN,
		bpf_get_current_pid_tgid() >> 32);

	if (!event)
		return 0;
	event->family = sk->__sk_common.skc_family;
	event->port = sk->__sk_common.skc_num;
	event->netns = sk->__sk_common.skc_net.net->ns.inum;
	bpf_ringbuf_submit(event, 0);
	return 0;
}
