//! What least privilege is enough for, and what is said where it is not. A thread gives its capabilities away; threads
//! that it makes have no more.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use corten_ebpf::{Capabilities, Capability};
use corten_ebpf_beyla::capture::{Capture, CaptureError, HookSet, Settings};
use corten_ebpf_beyla::record::Direction;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::seen::Seen;
use crate::{alone, capture};

/// Runs something with these capabilities only.
fn with(capabilities: CapabilitySet, work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let sets =
            CapabilitySets { effective: capabilities, permitted: capabilities, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets).expect("fewer capabilities");
        work();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn two_capabilities_are_enough_to_see_requests() {
    let Some(_alone) = alone() else { return };
    with(CapabilitySet::BPF | CapabilitySet::PERFMON, || {
        assert_eq!(Capabilities::own().lacks(&Capability::ALL).len(), Capability::ALL.len() - 2);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (capture, records) = capture(address.port());
        let mut client = TcpStream::connect(address).expect("a connection");
        let mut server = listener.accept().expect("a connection").0;
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("sent");
        let mut bytes = [0; 18];
        server.read_exact(&mut bytes).expect("received");
        drop((client, server));
        let mut seen = Seen::default();
        seen.until(&records, |seen| seen.is_over(address.port()));
        drop(capture);
        let server = seen.at(address.port()).0.expect("a stream");
        assert_eq!(server.text(Direction::Receive).as_bytes(), bytes);
    });
}

#[test]
fn with_one_of_them_the_refusal_is_named() {
    let Some(_alone) = alone() else { return };
    with(CapabilitySet::BPF, || {
        assert_eq!(Capabilities::own().lacks(&[Capability::Bpf, Capability::Perfmon]), [Capability::Perfmon]);
        let Err(CaptureError::NoHooks(attempts)) = Capture::start(&Settings::default(), || {}) else {
            panic!("it was not refused")
        };
        assert_eq!(attempts.len(), HookSet::LADDER.len());
        assert!(attempts.iter().all(|attempt| !attempt.works() && !attempt.missing.is_empty()));
        let text = CaptureError::NoHooks(attempts).to_string();
        assert!(text.contains("trampolines: ") && text.contains("ermitted"), "{text}");
    });
}
