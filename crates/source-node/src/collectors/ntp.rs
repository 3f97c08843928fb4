//! `ntp`: whether a server of time on this machine is sane.

use std::net::{IpAddr, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corten_component::BuildError;

use super::Boxed;
use crate::arguments::{NtpBlock, UnixArguments};
use crate::collector::{Collector, Failure, Outcome};
use crate::families::Families;
use crate::roots::Roots;

const PORT: u16 = 123;
const WAIT: Duration = Duration::from_secs(1);
/// Seconds from 1900, where NTP begins, to 1970.
const EPOCH: u64 = 2_208_988_800;
/// The fraction of a second that one step of a time is.
const STEP: f64 = 4_294_967_296.0;
const DAY: f64 = 86_400.0;

struct Ntp {
    args: NtpBlock,
    port: u16,
    /// Midnight after which a second is added or left out.
    leap_midnight: Mutex<f64>,
}

pub(super) fn build(args: &UnixArguments, _: &Arc<Roots>) -> Result<Boxed, BuildError> {
    let args = args.ntp.clone();
    let local = args.server.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if !args.server_is_local && !local {
        let error = BuildError::at("ntp.server", "only the address of a server on this machine is asked");
        return Err(error.with_help("set server_is_local = true if the server is your own"));
    }
    if !(2..=4).contains(&args.protocol_version) {
        return Err(BuildError::at("ntp.protocol_version", "the version must be 2, 3 or 4"));
    }
    if !(0..=255).contains(&args.ip_ttl) {
        return Err(BuildError::at("ntp.ip_ttl", "the hop limit must be between 0 and 255"));
    }
    Ok(Box::new(Ntp { args, port: PORT, leap_midnight: Mutex::default() }))
}

impl Collector for Ntp {
    fn name(&self) -> &'static str {
        "ntp"
    }

    fn collect(&self, out: &mut Families) -> Outcome {
        let answer = self.ask().map_err(|error| Failure::new(format!("asking {}: {error}", self.args.server)))?;
        let answer = answer.ok_or_else(|| Failure::new("the answer is not to what was asked"))?;
        let gauges = [
            ("stratum", "Steps from a clock that is right by itself.", f64::from(answer.stratum)),
            (
                "leap",
                "Whether a second is added or left out: 0 no, 1 added, 2 left out, 3 not known.",
                f64::from(answer.leap),
            ),
            ("rtt_seconds", "Time that the answer took.", answer.round_trip),
            ("offset_seconds", "How far the server's clock is ahead.", answer.offset),
            ("reference_timestamp_seconds", "When the server's clock was set.", answer.reference.max(0.0)),
            ("root_delay_seconds", "Time to the clock that is right by itself.", answer.root_delay),
            ("root_dispersion_seconds", "How far the server may be off.", answer.root_dispersion),
            ("sanity", "Whether the server is sane.", f64::from(u8::from(self.is_sane(&answer)))),
        ];
        for (metric, help, value) in gauges {
            out.gauge(&format!("node_ntp_{metric}"), help, &[], value);
        }
        Ok(())
    }
}

impl Ntp {
    fn ask(&self) -> std::io::Result<Option<Answer>> {
        let mut addresses = (&*self.args.server, self.port).to_socket_addrs()?;
        let server = addresses.next().ok_or(std::io::ErrorKind::NotFound)?;
        let own = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own)?;
        if let Ok(hops @ 1..) = u32::try_from(self.args.ip_ttl) {
            socket.set_ttl(hops)?;
        }
        socket.set_read_timeout(Some(WAIT))?;
        socket.connect(server)?;
        let version = u8::try_from(self.args.protocol_version).unwrap_or(4);
        let mut question = [0; 48];
        question[0] = version << 3 | 3;
        let asked = stamp(SystemTime::now());
        question[40..].copy_from_slice(&asked.to_be_bytes());
        socket.send(&question)?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer)?;
        Ok(Answer::parse(&answer[..length], asked, stamp(SystemTime::now())))
    }

    fn is_sane(&self, answer: &Answer) -> bool {
        let mut tolerance = self.args.local_offset_tolerance.as_secs_f64();
        let mut midnight = self.leap_midnight.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(answer.leap, 1 | 2) {
            *midnight = (answer.time / DAY).floor() * DAY + DAY;
        }
        // Around such a midnight servers may spread the second over the day.
        if (answer.time - *midnight).abs() < DAY {
            tolerance += 1.0;
        }
        answer.is_valid()
            && answer.round_trip.midpoint(answer.root_delay) + answer.root_dispersion
                <= self.args.max_distance.as_secs_f64()
            && answer.least_error <= tolerance
    }
}

struct Answer {
    leap: u8,
    stratum: u8,
    root_delay: f64,
    root_dispersion: f64,
    /// Times in seconds since 1970.
    reference: f64,
    time: f64,
    round_trip: f64,
    offset: f64,
    least_error: f64,
}

impl Answer {
    fn parse(bytes: &[u8], asked: u64, came: u64) -> Option<Self> {
        let long = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let short = |at: usize| Some(f64::from(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?)) / 65_536.0);
        let (reference, origin, received, sent) = (long(16)?, long(24)?, long(32)?, long(40)?);
        // From a server, to this very question.
        if bytes[0] & 7 != 4 || origin != asked || sent == 0 {
            return None;
        }
        let apart = |later: u64, earlier: u64| later.wrapping_sub(earlier).cast_signed() as f64 / STEP;
        let violation = |earlier: u64, later: u64| if earlier >= later { apart(earlier, later) } else { 0.0 };
        Some(Self {
            leap: bytes[0] >> 6,
            stratum: bytes[1],
            root_delay: short(4)?,
            root_dispersion: short(8)?,
            reference: seconds(reference),
            time: seconds(sent),
            round_trip: (apart(came, asked) - apart(sent, received)).max(0.0),
            offset: apart(received, asked).midpoint(apart(sent, came)),
            least_error: violation(asked, received).max(violation(sent, came)),
        })
    }

    /// By the rules of RFC 5905.
    fn is_valid(&self) -> bool {
        (1..16).contains(&self.stratum)
            && self.leap != 3
            && self.time >= self.reference
            && self.time - self.reference <= 131_072.0
            && self.root_delay / 2.0 + self.root_dispersion <= 16.0
    }
}

/// Seconds since 1900 in the upper half, their fraction in the lower.
fn stamp(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() + EPOCH) << 32 | fraction
}

fn seconds(stamp: u64) -> f64 {
    let whole = (stamp >> 32) as f64 - EPOCH as f64;
    whole + (stamp & 0xffff_ffff) as f64 / STEP
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(asked: u64, stratum: u8) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[0] = 4 << 3 | 4;
        bytes[1] = stratum;
        bytes[4..8].copy_from_slice(&(65_536u32 / 4).to_be_bytes());
        for (at, time) in [(16, asked - (10 << 32)), (24, asked), (32, asked + (1 << 31)), (40, asked + (1 << 31))] {
            bytes[at..at + 8].copy_from_slice(&time.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn an_answer_gives_offset_and_delay() {
        let asked = stamp(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let parsed = Answer::parse(&answer(asked, 2), asked, asked + (1 << 32)).unwrap();
        assert_eq!((parsed.round_trip, parsed.offset, parsed.root_delay), (1.0, 0.0, 0.25));
        assert_eq!((parsed.time, parsed.reference), (1_700_000_000.5, 1_699_999_990.0));
        assert!(parsed.is_valid());
        assert!(Answer::parse(&answer(asked, 2), asked + 1, asked).is_none(), "it answers something else");
        assert!(!Answer::parse(&answer(asked, 0), asked, asked).unwrap().is_valid());
    }

    #[test]
    fn a_server_on_this_machine_is_asked_and_no_other() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let mut question = [0; 48];
            let (_, from) = server.recv_from(&mut question).unwrap();
            let asked = u64::from_be_bytes(question[40..].try_into().unwrap());
            server.send_to(&answer(asked, 1), from).unwrap();
        });
        let collector = Ntp { args: NtpBlock::default(), port, leap_midnight: Mutex::default() };
        let mut out = Families::new();
        collector.collect(&mut out).unwrap();
        serving.join().unwrap();
        assert!(crate::render(&mut [out]).contains("node_ntp_stratum 1\n"));
        let mut args = UnixArguments::default();
        args.ntp.server = "pool.example".into();
        assert!(build(&args, &Arc::default()).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), asked: u64, came: u64) {
            let _ = Answer::parse(&bytes, asked, came).is_some_and(|answer| answer.is_valid());
        }
    }
}
