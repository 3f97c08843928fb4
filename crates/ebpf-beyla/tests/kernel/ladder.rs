//! Each rung of the ladder sees the same exchange, and the best that the kernel allows is chosen.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use corten_ebpf::Kernel;
use corten_ebpf_beyla::capture::{Capture, CaptureError, HookSet, Policy, Settings};
use corten_ebpf_beyla::record::{Direction, Role};

use crate::alone;
use crate::seen::Seen;

const REQUEST: &[u8] = b"GET /ladder HTTP/1.1\r\nHost: here\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// In a guest nothing is forbidden; on the machine at hand the platform may refuse, or the kernel may have been built
/// without.
fn must_work(set: HookSet) -> bool {
    std::env::var_os("CORTEN_KERNEL_TESTS").is_some()
        && (set != HookSet::Tracepoint || Kernel::running().is_at_least(6, 3))
}

#[test]
fn every_rung_sees_the_same_exchange() {
    let Some(_alone) = alone() else { return };
    let mut worked = 0;
    for set in HookSet::LADDER {
        let settings = Settings { hooks: vec![set], ring: 1 << 20, ..Settings::default() };
        let (capture, records) = match Capture::start(&settings, || {}) {
            Ok(started) => started,
            Err(error @ CaptureError::NoHooks(_)) => {
                assert!(!must_work(set), "{error}");
                println!("left out: {error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        worked += 1;
        println!("{set}");
        assert_eq!(capture.hooks(), set);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        capture.choose_ports([address.port()]).expect("a port");
        capture.set(std::process::id(), Policy::Observe(None)).expect("a process");
        let mut client = TcpStream::connect(address).expect("a connection");
        let mut server = listener.accept().expect("a connection").0;
        let mut bytes = [0; 100];
        for _ in 0..2 {
            client.write_all(REQUEST).expect("sent");
            server.read_exact(&mut bytes[..REQUEST.len()]).expect("received");
            server.write_all(RESPONSE).expect("sent");
            client.read_exact(&mut bytes[..RESPONSE.len()]).expect("received");
        }
        drop((client, server));
        let mut seen = Seen::default();
        seen.until(&records, |seen| seen.is_over(address.port()));
        drop(capture);
        seen.rest(&records);
        let (Some(server), Some(client)) = seen.at(address.port()) else { panic!("two streams: {seen:#?}") };
        for (stream, role, requests) in
            [(server, Role::Server, Direction::Receive), (client, Role::Client, Direction::Send)]
        {
            let responses = if requests == Direction::Send { Direction::Receive } else { Direction::Send };
            assert_eq!(stream.text(requests).as_bytes(), [REQUEST, REQUEST].concat(), "{set}");
            assert_eq!(stream.text(responses).as_bytes(), [RESPONSE, RESPONSE].concat(), "{set}");
            assert_eq!((stream.role, stream.from_start), (role, true), "{set}");
            assert!(stream.pieces.iter().all(|piece| piece.turn && piece.call_start), "{set}: {:?}", stream.outline());
            let offsets: Vec<u64> = stream.pieces.iter().map(|piece| piece.offset).collect();
            assert_eq!(offsets, [0, 0, REQUEST.len() as u64, RESPONSE.len() as u64], "{set}");
        }
        assert_eq!(client.pieces[0].sequence, server.pieces[0].sequence, "{set}");
        assert_eq!(seen.lost, [], "{set}");
    }
    assert!(worked > 0, "no rung works");
}

#[test]
fn where_nothing_is_forbidden_trampolines_are_chosen() {
    let Some(_alone) = alone() else { return };
    let (capture, _records) = Capture::start(&Settings::default(), || {}).expect("a hook set");
    assert!(!must_work(HookSet::Trampoline) || capture.hooks() == HookSet::Trampoline, "{}", capture.hooks());
}
