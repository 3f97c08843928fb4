// What process.bpf.c says, as src/process/wire.rs reads it.
#pragma once

enum { PROCESS_EXEC = 1, PROCESS_FORK = 2, PROCESS_EXIT = 3, PROCESS_LISTEN = 4, PROCESS_UNLISTEN = 5 };

struct process_row {
	__u32 pid, parent, uid, unused;
	__u64 started;
	char comm[16];
};

struct listener_row {
	__u32 pid, netns;
	__u16 port, family;
};

struct process_event {
	__u8 kind, unused;
	__u16 family;
	__u16 port, file_length;
	__u32 pid, parent;
	__u64 time, started;
	__u32 netns, status;
	char comm[16];
	char file[256];
};
