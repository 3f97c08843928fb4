// What user space decides: before loading (constants, so that the verifier drops what is not used) and while running.
#pragma once

// Constants when the programs are loaded: the verifier drops what is not used.
const volatile struct settings {
	// Whoever polls the ring is woken when it holds so many bytes; else it looks by itself from time to time.
	__u32 wake_at;
	// The kernel can keep state in sockets (5.11 and newer).
	__u8 socket_storage;
	// A TLS library is observed; else nobody asks what carries what.
	__u8 tls;
	__u8 unused[2];
} settings SEC(".rodata.settings") = { .wake_at = 65536, .socket_storage = 1 };

enum { POLICY_OBSERVE = 1, POLICY_IGNORE = 2 };

// What holds for a process. `cost` nanoseconds of its budget go to each exchange; 0: no budget.
struct policy {
	__u32 flags, unused;
	__u64 cost, burst;
	// The budget is used up until then.
	__u64 until;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct policy);
} policies SEC(".maps");

// Whether there may be a policy for a process: asked first, by the lower bits of its number, since most sends and
// receives of the machine are those of processes that have none. Never taken back; a wrong yes costs one look.
enum { MAYBE = 16384 };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAYBE);
	__type(key, __u32);
	__type(value, __u8);
} maybe SEC(".maps");

static __always_inline struct policy *policy_of(__u32 pid)
{
	__u32 low = pid % MAYBE;
	__u8 *yes = bpf_map_lookup_elem(&maybe, &low);

	return yes && *yes ? bpf_map_lookup_elem(&policies, &pid) : NULL;
}

// Ports whose connections are observed whoever has them: what the user wrote, and all ports of chosen processes.
__u8 chosen_ports[65536] SEC(".bss.ports");
// Ports that are listened on: from user space at the start, from here on by ourselves.
__u8 listening_ports[65536] SEC(".bss.listening");

// Whether captured at all, and what is not.
enum { MODE_MESSAGES = 0, MODE_FRAMES = 1, MODE_NOTHING = 2 };
struct verdict {
	__u64 skip[2];
	__u64 mode;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct verdict);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
} records SEC(".maps");

// Exchanges that were left out because their process was over its budget. One count for all: a process's own would go
// with it.
__u64 throttled SEC(".bss.throttled");
// Records that are missing, by reason.
__u64 lost[LOST_REASONS] SEC(".bss.lost");
