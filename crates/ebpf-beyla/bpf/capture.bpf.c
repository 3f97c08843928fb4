// What applications send and receive, seen at their sockets. Programs that do the same at different places stand side
// by side; user space loads those that the running kernel and our capabilities allow (src/capture/hooks.rs).
#include "kernel.h"
#include <bpf_helpers.h>
#include <bpf_tracing.h>
#include <bpf_core_read.h>
#include <bpf_endian.h>
#include "record.h"
#include "settings.h"
#include "stream.h"
#include "source.h"
#include "capture.h"
#include "open.h"
#include "tls.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

// Whether this process's connections, or at least this one, are to be observed. This is what every send and receive of
// the machine pays.
static __always_inline bool wanted(struct sock *sk, bool tcp, int how, struct policy **policy)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	*policy = policy_of(pid);
	if (*policy)
		return (*policy)->flags & POLICY_OBSERVE;
	return tcp && chosen_ports[OF(how, sk, __sk_common.skc_num)];
}

// Where a call's first byte stands in the stream, by TCP's own count. `after`: the call is done.
static __always_inline bool place_tcp(struct sock *sk, int how, struct stream *stream, int direction, bool after,
	struct call *call)
{
	struct tcp_sock *tcp = how == KNOWN ? bpf_skc_to_tcp_sock(sk) : (struct tcp_sock *)sk;

	if (!tcp)
		return false;
	call->offset = stream->position[direction];
	call->sequence = 0;
	if (OF(how, tcp, inet_conn.icsk_ulp_ops)) {
		// TCP counts what is encrypted, we count what is not.
		if (!(stream->flags & STREAM_KERNEL_TLS)) {
			stream->flags |= STREAM_KERNEL_TLS;
			stream->position[SEND] = stream->position[RECEIVE] = call->offset = 0;
			stream->skip[SEND] = stream->skip[RECEIVE] = 0;
			stream->mode = MODE_MESSAGES;
			stream->last = NEITHER;
		}
		call->flags |= DATA_TLS;
		return true;
	}
	__u32 sequence = direction == SEND ? OF(how, tcp, write_seq) : OF(how, tcp, copied_seq);
	if (after)
		sequence -= call->length;
	if (stream->flags & (STREAM_COUNTED << direction)) {
		__s32 ahead = sequence - stream->sequence[direction];
		// The other side's last word counts one, and a receive that comes upon it has taken it along.
		if (direction == RECEIVE && ahead == 1 && OF(how, sk, sk_shutdown) & RCV_SHUTDOWN) {
			ahead = 0;
			sequence--;
		}
		call->offset += ahead;
	}
	stream->flags |= STREAM_COUNTED << direction;
	call->sequence = sequence;
	return true;
}

static __always_inline struct stream *stream_of(struct sock *sk, bool tcp, int how)
{
	struct stream *stream = stream_find(sk);

	if (stream)
		return stream;
	stream = stream_make(sk);
	if (stream && tcp)
		stream->role = listening_ports[OF(how, sk, __sk_common.skc_num)] ? ROLE_SERVER : ROLE_UNKNOWN;
	return stream;
}

static __always_inline void moved(struct sock *sk, bool tcp, int how, int direction, bool after, struct policy *policy,
	struct call *call, __u32 slot)
{
	struct stream *stream = stream_of(sk, tcp, how);

	if (!stream)
		return;
	if (tcp) {
		if (!place_tcp(sk, how, stream, direction, after, call))
			return;
	} else {
		call->offset = stream->position[direction];
		call->sequence = 0;
	}
	if (!(stream->flags & (STREAM_SEEN << direction))) {
		stream->flags |= STREAM_SEEN << direction;
		look_at_first(stream, call);
	}
	if (!(stream->flags & STREAM_OPENED)) {
		if (tcp)
			open_tcp(stream, sk, how, call->time);
		else
			open_unix(stream, sk, call->time);
	}
	if ((stream->flags & (STREAM_ENCRYPTED | STREAM_KERNEL_TLS)) == STREAM_ENCRYPTED) {
		stream->position[direction] = call->offset + call->length;
		stream->sequence[direction] = call->sequence + call->length;
		tls_carried(stream, direction, call->time);
		return;
	}
	capture(stream, policy, direction, call, slot);
}

static __always_inline bool is_tcp(struct sock *sk, int how)
{
	return OF(how, sk, sk_protocol) == IPPROTO_TCP;
}

// --- trampolines: before a send, after a receive ------------------------------------------------------------------

static __always_inline int message_send(struct sock *sk, int how, struct msghdr *msg, size_t size, __u32 slot)
{
	struct policy *policy;

	if (!is_tcp(sk, how) || !wanted(sk, true, how, &policy) || !size)
		return 0;
	struct call *call = call_begin(slot, size);
	if (!call)
		return 0;
	call->readable = source_ahead(&call->source, &msg->msg_iter, how);
	moved(sk, true, how, SEND, false, policy, call, slot);
	return 0;
}

static __always_inline int message_done(struct sock *sk, bool tcp, int how, int direction, struct msghdr *msg, int flags,
	int ret, __u32 slot)
{
	struct policy *policy;

	if (ret <= 0 || flags & (MSG_PEEK | MSG_ERRQUEUE) || (tcp && !is_tcp(sk, how)) || !wanted(sk, tcp, how, &policy))
		return 0;
	struct call *call = call_begin(slot, ret);
	if (!call)
		return 0;
	call->readable = source_behind(&call->source, &msg->msg_iter, how, ret);
	moved(sk, tcp, how, direction, true, policy, call, slot);
	return 0;
}

SEC("fentry/inet_sendmsg") int BPF_PROG(send4, struct socket *socket, struct msghdr *msg, size_t size)
{
	return message_send(socket->sk, KNOWN, msg, size, 0);
}
SEC("fentry/inet6_sendmsg") int BPF_PROG(send6, struct socket *socket, struct msghdr *msg, size_t size)
{
	return message_send(socket->sk, KNOWN, msg, size, 1);
}
SEC("fexit/inet_recvmsg")
int BPF_PROG(receive4, struct socket *socket, struct msghdr *msg, size_t size, int flags, int ret)
{
	return message_done(socket->sk, true, KNOWN, RECEIVE, msg, flags, ret, 2);
}
SEC("fexit/inet6_recvmsg")
int BPF_PROG(receive6, struct socket *socket, struct msghdr *msg, size_t size, int flags, int ret)
{
	return message_done(socket->sk, true, KNOWN, RECEIVE, msg, flags, ret, 3);
}
// Unix sockets count nothing themselves, so sends are seen when it is known how much they took.
SEC("fexit/unix_stream_sendmsg") int BPF_PROG(send_unix, struct socket *socket, struct msghdr *msg, size_t size, int ret)
{
	return message_done(socket->sk, false, KNOWN, SEND, msg, 0, ret, 4);
}
SEC("fexit/unix_stream_recvmsg")
int BPF_PROG(receive_unix, struct socket *socket, struct msghdr *msg, size_t size, int flags, int ret)
{
	return message_done(socket->sk, false, KNOWN, RECEIVE, msg, flags, ret, 5);
}
// And nothing else says when one has gone.
SEC("fentry/unix_release") int BPF_PROG(release_unix, struct socket *socket)
{
	struct sock *sk = socket->sk;
	struct stream *stream = sk ? stream_find(sk) : NULL;

	if (stream) {
		ended(stream, END_GONE);
		stream_forget(sk);
	}
	return 0;
}

// --- tracepoints behind a send and a receive (6.3 and newer): no trampolines needed ------------------------------------

static __always_inline int tracepoint_done(struct sock *sk, int direction, int ret, int flags, __u32 slot)
{
	struct policy *policy;

	if (ret <= 0 || flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	bool tcp = is_tcp(sk, KNOWN);
	if (!tcp && (sk->__sk_common.skc_family != AF_UNIX || sk->sk_type != SOCK_STREAM))
		return 0;
	if (!wanted(sk, tcp, KNOWN, &policy))
		return 0;
	struct call *call = call_begin(slot, ret);
	if (!call)
		return 0;
	call->readable = source_of_call(&call->source, (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf()));
	moved(sk, tcp, KNOWN, direction, true, policy, call, slot);
	return 0;
}

SEC("tp_btf/sock_send_length") int BPF_PROG(sent, struct sock *sk, int ret, int flags)
{
	return tracepoint_done(sk, SEND, ret, flags, 6);
}
SEC("tp_btf/sock_recv_length") int BPF_PROG(received, struct sock *sk, int ret, int flags)
{
	return tracepoint_done(sk, RECEIVE, ret, flags, 7);
}

#include "untyped.h"

// --- OpenSSL ------------------------------------------------------------------------------------------------------

SEC("uprobe") int BPF_KPROBE(tls_call, void *ssl, const void *buffer)
{
	return tls_begin(ssl, buffer, NULL);
}
SEC("uprobe") int BPF_KPROBE(tls_call_ex, void *ssl, const void *buffer, size_t length, size_t *count)
{
	return tls_begin(ssl, buffer, count);
}
SEC("uprobe") int BPF_KPROBE(tls_call_ex2, void *ssl, const void *buffer, size_t length, __u64 flags, size_t *count)
{
	return tls_begin(ssl, buffer, count);
}
SEC("uprobe") int BPF_KRETPROBE(tls_written, int ret)
{
	return tls_end(SEND, ret, 8);
}
SEC("uprobe") int BPF_KRETPROBE(tls_read, int ret)
{
	return tls_end(RECEIVE, ret, 9);
}
SEC("uprobe") int BPF_KPROBE(tls_freed, void *ssl)
{
	return tls_free(ssl);
}

// --- birth and end of connections ---------------------------------------------------------------------------------

static __always_inline void born(struct sock *sk, struct stream *stream)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	if (!tcp)
		return;
	stream->sequence[SEND] = tcp->write_seq;
	stream->sequence[RECEIVE] = tcp->copied_seq;
	stream->flags |= STREAM_FROM_START | STREAM_COUNTED << SEND | STREAM_COUNTED << RECEIVE;
}

SEC("tp_btf/inet_sock_set_state") int BPF_PROG(state, struct sock *sk, int before, int after)
{
	struct stream *stream;
	struct policy *policy;
	__u16 port = sk->__sk_common.skc_num;

	if (!is_tcp(sk, KNOWN))
		return 0;
	if (after == TCP_LISTEN) {
		listening_ports[port] = 1;
		return 0;
	}
	if (after == TCP_SYN_SENT) {
		// In the context of whoever connects.
		if (!wanted(sk, true, KNOWN, &policy))
			return 0;
		stream = stream_find(sk);
		if (!stream)
			stream = stream_make(sk);
		if (stream)
			stream->role = ROLE_CLIENT;
		return 0;
	}
	if (before == TCP_SYN_RECV && after == TCP_ESTABLISHED) {
		// In nobody's context: only the port can tell.
		if (!chosen_ports[port])
			return 0;
		stream = stream_make(sk);
		if (stream) {
			stream->role = ROLE_SERVER;
			born(sk, stream);
		}
		return 0;
	}
	stream = stream_find(sk);
	if (!stream)
		return 0;
	if (before == TCP_SYN_SENT && after == TCP_ESTABLISHED) {
		born(sk, stream);
	} else if (after == TCP_CLOSE) {
		ended(stream, END_GONE);
		stream_forget(sk);
	} else if (before == TCP_ESTABLISHED) {
		ended(stream, after == TCP_CLOSE_WAIT ? END_REMOTE_FIN : END_LOCAL_FIN);
	}
	return 0;
}

// --- processes ----------------------------------------------------------------------------------------------------

// Children are as their parents until user space has looked at them: a worker may accept before that.
SEC("tp_btf/sched_process_fork") int BPF_PROG(forked, struct task_struct *parent, struct task_struct *child)
{
	if (child->pid != child->tgid)
		return 0;
	__u32 of = parent->tgid, pid = child->tgid;
	struct policy *policy = policy_of(of);
	if (!policy)
		return 0;
	struct policy copy = { .flags = policy->flags, .cost = policy->cost, .burst = policy->burst };
	bpf_map_update_elem(&policies, &pid, &copy, BPF_NOEXIST);
	__u32 low = pid % MAYBE;
	__u8 yes = 1;
	bpf_map_update_elem(&maybe, &low, &yes, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_process_exit") int BPF_PROG(exited, struct task_struct *task)
{
	if (task->signal->live.counter != 0)
		return 0;
	__u32 pid = task->tgid;
	bpf_map_delete_elem(&policies, &pid);
	return 0;
}
