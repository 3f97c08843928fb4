//! Records survive being written and read; everything else is an error, never a panic.

use proptest::prelude::*;

use super::*;

/// What a record borrows from.
#[derive(Debug, Clone)]
struct Owned {
    head: Head,
    event: Event<'static>,
    a: Vec<u8>,
    b: Vec<u8>,
}

impl Owned {
    fn record(&self) -> Record<'_> {
        let mut event: Event<'_> = self.event.clone();
        match &mut event {
            Event::Open(open) => open.path = &self.a,
            Event::Data(data) => {
                data.bytes = &self.a;
                data.left = data.left.max(u32::try_from(self.a.len()).unwrap_or_default());
            }
            Event::Exec(exec) => (exec.comm, exec.file) = (&self.b, &self.a),
            _ => {}
        }
        Record { head: self.head, event }
    }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6), Just(Family::Unix)]
}

fn open() -> impl Strategy<Value = Event<'static>> {
    let role = prop_oneof![Just(Role::Unknown), Just(Role::Server), Just(Role::Client)];
    (family(), role, any::<(bool, bool)>(), any::<([u8; 16], [u8; 16])>(), any::<(u16, u16, u32)>()).prop_map(
        |(family, role, (from_start, encrypted), (local, remote), (local_port, remote_port, netns))| {
            Event::Open(Open {
                family,
                role,
                from_start,
                encrypted,
                local,
                remote,
                local_port,
                remote_port,
                netns,
                path: &[],
            })
        },
    )
}

fn data() -> impl Strategy<Value = Event<'static>> {
    (any::<[bool; 4]>(), 0..u64::MAX / 2, any::<(u32, u32)>()).prop_map(
        |([receive, call_start, turn, tls], offset, (left, sequence))| {
            let direction = if receive { Direction::Receive } else { Direction::Send };
            Event::Data(Data { direction, call_start, turn, tls, offset, left, sequence, bytes: &[] })
        },
    )
}

fn event() -> impl Strategy<Value = Event<'static>> {
    let end = prop_oneof![Just(End::LocalFin), Just(End::RemoteFin), Just(End::Gone)];
    let reason = prop_oneof![
        Just(Loss::RingFull),
        Just(Loss::NoState),
        Just(Loss::Unreadable),
        Just(Loss::Missed),
        Just(Loss::Malformed),
        Just(Loss::QueueFull),
    ];
    prop_oneof![
        open(),
        data(),
        (end, any::<(u64, u64)>()).prop_map(|(end, (sent, received))| Event::Close(Close { end, sent, received })),
        any::<u64>().prop_map(|connection| Event::Tls(Tls { connection })),
        any::<(u32, u64)>().prop_map(|(parent, started)| Event::Exec(Exec { parent, started, comm: &[], file: &[] })),
        any::<u32>().prop_map(|status| Event::Exit(Exit { status })),
        any::<(u32, u64)>().prop_map(|(parent, started)| Event::Fork(Fork { parent, started })),
        (any::<bool>(), family(), any::<(u16, u32)>())
            .prop_map(|(open, family, (port, netns))| Event::Listen(Listen { open, family, port, netns })),
        (reason, any::<u64>()).prop_map(|(reason, count)| Event::Lost(Lost { reason, count })),
        any::<u64>().prop_map(|exchanges| Event::Throttled(Throttled { exchanges })),
    ]
}

fn owned() -> impl Strategy<Value = Owned> {
    let head = any::<(u64, u32, u32, u64)>().prop_map(|(time, pid, tid, stream)| Head { time, pid, tid, stream });
    let short = prop::collection::vec(1..=255_u8, 0..=16);
    (head, event(), prop::collection::vec(any::<u8>(), 0..=255), short).prop_map(|(head, event, a, b)| Owned {
        head,
        event,
        a,
        b,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in prop::collection::vec(owned(), 0..8)) {
        let mut bytes = Vec::new();
        records.iter().for_each(|owned| owned.record().encode(&mut bytes));
        let mut rest = bytes.as_slice();
        for owned in &records {
            let (record, length) = decode(rest).expect("a record");
            prop_assert_eq!(record, owned.record());
            rest = &rest[length..];
        }
        prop_assert_eq!(rest, &[] as &[u8]);
    }

    #[test]
    fn what_is_cut_is_short(owned in owned(), keep in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        owned.record().encode(&mut bytes);
        let keep = keep.index(bytes.len());
        let expected = (keep >= 4).then_some(bytes.len());
        prop_assert_eq!(decode(&bytes[..keep]), Err(DecodeError::Short(expected)));
    }

    #[test]
    fn what_is_changed_is_read_or_refused(owned in owned(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = Vec::new();
        owned.record().encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.extend([0xA5; 64]);
        if let Ok((record, length)) = decode(&bytes) {
            prop_assert!(length <= bytes.len());
            // Whatever was understood can be said again.
            let mut again = Vec::new();
            record.encode(&mut again);
            let (second, _) = decode(&again).expect("a record");
            prop_assert_eq!(second, record);
        }
    }

    #[test]
    fn noise_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok((_, length)) = decode(&bytes) {
            prop_assert!(length <= bytes.len());
        }
    }
}

#[test]
fn ring_entries_may_have_slack() {
    let mut bytes = Vec::new();
    Record { head: Head::default(), event: Event::Exit(Exit { status: 9 }) }.encode(&mut bytes);
    bytes.extend([0xEE; 1000]);
    let (record, length) = decode(&bytes).expect("a record");
    assert_eq!((record.event, length), (Event::Exit(Exit { status: 9 }), 40));
}

#[test]
fn the_layout_is_as_documented() {
    let data = Data {
        direction: Direction::Receive,
        call_start: true,
        turn: false,
        tls: true,
        offset: 0x0102,
        left: 5,
        sequence: 7,
        bytes: b"GET",
    };
    let head = Head { time: 1, pid: 2, tid: 3, stream: 4 };
    let mut bytes = Vec::new();
    Record { head, event: Event::Data(data) }.encode(&mut bytes);
    #[rustfmt::skip]
    let expected = [
        51, 0, 0, 0, 1, 2, 0b1011, 0,
        1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0,
        4, 0, 0, 0, 0, 0, 0, 0,
        2, 1, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0,
        b'G', b'E', b'T',
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn nonsense_is_named() {
    let mut exit = Vec::new();
    Record { head: Head::default(), event: Event::Exit(Exit { status: 0 }) }.encode(&mut exit);
    let with = |at: usize, byte: u8| {
        let mut changed = exit.clone();
        changed[at] = byte;
        decode(&changed).map(|_| ()).expect_err("nonsense")
    };
    assert_eq!(with(4, 9), DecodeError::Version(9));
    assert_eq!(with(5, 99), DecodeError::Kind(99));
    assert_eq!(with(5, 7), DecodeError::Length(40), "a fork is longer");
    assert_eq!(with(0, 3), DecodeError::Length(3));
    assert_eq!(with(2, 1), DecodeError::Length(65576));
    let mut close = Vec::new();
    Record { head: Head::default(), event: Event::Close(Close::default()) }.encode(&mut close);
    close[32] = 77;
    assert_eq!(decode(&close), Err(DecodeError::Value("end")));
}
