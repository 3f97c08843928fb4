// The kernel's types, as far as our programs read them. Every field is found by name in the running kernel's BTF
// (CO-RE), so what stands here is a wish list, not a layout: order and size of the structures mean nothing.
#pragma once

// Tells libbpf's headers that registers have the names that the kernel gives them.
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef signed short __s16;
typedef unsigned int __u32;
typedef signed int __s32;
typedef unsigned long long __u64;
typedef signed long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
typedef unsigned long size_t;
typedef int pid_t;

#define true 1
#define false 0
#define NULL ((void *)0)

// Numbers that are part of the kernel's interface to programs.
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1 };
enum { BPF_SK_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };

enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6 };
enum { SOCK_STREAM = 1 };
enum { MSG_PEEK = 2, MSG_ERRQUEUE = 0x2000 };
enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
enum { RCV_SHUTDOWN = 1 };
enum tcp_states { TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT,
	TCP_CLOSE, TCP_CLOSE_WAIT, TCP_LAST_ACK, TCP_LISTEN };

#define CORE __attribute__((preserve_access_index))

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
} CORE;
struct ns_common {
	unsigned int inum;
} CORE;
struct net {
	struct ns_common ns;
} CORE;
typedef struct {
	struct net *net;
} possible_net_t;
struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} CORE;
struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
	__u8 sk_shutdown;
} CORE;
struct inet_connection_sock {
	const void *icsk_ulp_ops;
} CORE;
struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 copied_seq;
	__u32 write_seq;
} CORE;
struct sockaddr_un {
	unsigned short sun_family;
	char sun_path[108];
} CORE;
struct unix_address {
	int len;
	struct sockaddr_un name[];
} CORE;
struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} CORE;
struct inode {
	unsigned short i_mode;
} CORE;
struct file {
	struct inode *f_inode;
	void *private_data;
} CORE;
struct socket {
	struct sock *sk;
} CORE;
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} CORE;
struct files_struct {
	struct fdtable *fdt;
} CORE;

// What system calls take; the same for ever.
struct iovec {
	void *iov_base;
	size_t iov_len;
};
// From 5.14 on; `__iov` from 6.4 on. Flavours (___x) say what older kernels call it.
struct iov_iter {
	__u8 iter_type;
	size_t iov_offset;
	const struct iovec *__iov;
	void *ubuf;
	size_t count;
	unsigned long nr_segs;
} CORE;
struct iov_iter___before_5_14 {
	unsigned int type;
} CORE;
struct iov_iter___before_6_4 {
	const struct iovec *iov;
} CORE;
enum iter_type { ITER_IOVEC, ITER_UBUF };
struct msghdr {
	struct iov_iter msg_iter;
} CORE;
struct user_msghdr {
	void *msg_name;
	int msg_namelen;
	const struct iovec *msg_iov;
	size_t msg_iovlen;
};

struct signal_struct {
	struct {
		int counter;
	} live;
} CORE;
struct kuid {
	__u32 val;
} CORE;
struct cred {
	struct kuid uid;
} CORE;
struct task_struct {
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct files_struct *files;
	const struct cred *cred;
	char comm[16];
	__u64 start_boottime;
	int exit_code;
} CORE;
struct linux_binprm {
	const char *filename;
} CORE;

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
} CORE;
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} CORE;
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
} CORE;

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};
// A program of 32 bits has other numbers for its calls.
#define CALL_IS_NARROW(regs) ((regs)->cs == 0x23)
#define CALL_NUMBER(regs) ((regs)->orig_ax)
#define CALL_ARGUMENT_1(regs) ((regs)->di)
#define CALL_ARGUMENT_2(regs) ((regs)->si)
#define CALL_ARGUMENT_3(regs) ((regs)->dx)
#define CALL_ARGUMENT_4(regs) ((regs)->r10)
enum { CALL_READ = 0, CALL_WRITE = 1, CALL_SENDTO = 44, CALL_RECVFROM = 45, CALL_READV = 19, CALL_WRITEV = 20,
	CALL_SENDMSG = 46, CALL_RECVMSG = 47, CALL_SENDFILE = 40 };
#elif defined(__TARGET_ARCH_arm64)
// What the kernel promises to debuggers, and how libbpf's headers read it.
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
struct pt_regs {
	__u64 regs[31], sp, pc, pstate, orig_x0;
	__s32 syscallno;
} CORE;
#define CALL_IS_NARROW(regs) ((regs)->pstate & 0x10)
// The first argument and the result share a register.
#define CALL_NUMBER(regs) ((regs)->syscallno)
#define CALL_ARGUMENT_1(regs) ((regs)->orig_x0)
#define CALL_ARGUMENT_2(regs) ((regs)->regs[1])
#define CALL_ARGUMENT_3(regs) ((regs)->regs[2])
#define CALL_ARGUMENT_4(regs) ((regs)->regs[3])
enum { CALL_READ = 63, CALL_WRITE = 64, CALL_SENDTO = 206, CALL_RECVFROM = 207, CALL_READV = 65, CALL_WRITEV = 66,
	CALL_SENDMSG = 211, CALL_RECVMSG = 212, CALL_SENDFILE = 71 };
#else
#error "say which registers carry the arguments of system calls on this architecture"
#endif
