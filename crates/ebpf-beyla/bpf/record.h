// Records as they lie in the ring. src/record/codec.rs describes and reads the same layout.
#pragma once

enum { RECORD_VERSION = 1 };
enum { RECORD_OPEN = 1, RECORD_DATA = 2, RECORD_CLOSE = 3, RECORD_TLS = 4 };
enum { OPEN_FROM_START = 1, OPEN_ENCRYPTED = 2 };
enum { DATA_RECEIVE = 1, DATA_CALL_START = 2, DATA_TURN = 4, DATA_TLS = 8 };
enum { FAMILY_V4 = 0, FAMILY_V6 = 1, FAMILY_UNIX = 2 };
enum { ROLE_UNKNOWN = 0, ROLE_SERVER = 1, ROLE_CLIENT = 2 };
enum { END_LOCAL_FIN = 0, END_REMOTE_FIN = 1, END_GONE = 2 };
// Reasons, in the order of the list in codec.rs; user space finds the other ones itself.
enum { LOST_RING_FULL = 0, LOST_NO_STATE = 1, LOST_UNREADABLE = 2, LOST_MISSED = 3, LOST_REASONS = 4 };

// Longest piece, longest head, and how much of later calls.
enum { PIECE = 4096, HEAD = 8192, MORE = 256 };

struct record_head {
	__u32 length;
	__u8 version, kind;
	__u16 flags;
	__u64 time;
	__u32 pid, tid;
	__u64 stream;
};

struct record_open {
	struct record_head head;
	__u8 family, role;
	__u16 local_port, remote_port, path_length;
	__u32 netns, zero;
	__u8 local[16], remote[16];
	char path[112];
};

struct record_data {
	struct record_head head;
	__u64 offset;
	__u32 left, sequence;
	__u8 bytes[];
};

struct record_close {
	struct record_head head;
	__u32 end, zero;
	__u64 sent, received;
};

struct record_tls {
	struct record_head head;
	__u64 connection;
};
