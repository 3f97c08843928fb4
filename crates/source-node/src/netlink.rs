//! Asking the kernel by netlink: the few questions that collectors have, and no more.
//!
//! A question is one datagram; the answer comes as datagrams of messages, each with attributes of the form length,
//! type, value. Everything is checked against the bytes that are there.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with, sockopt,
};

use crate::collector::Failure;

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Family {
    /// Links, addresses, routes, queues.
    Route,
    /// Sockets.
    SockDiag,
    /// Whoever has registered a name.
    Generic,
}

/// So long an answer may take; the kernel answers at once.
const DEADLINE: Duration = Duration::from_secs(2);
/// An answer is at most this large, whatever the machine has.
const LIMIT: usize = 64 << 20;
/// Room for the largest datagram that the kernel makes of a dump.
const DATAGRAM: usize = 64 << 10;

const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_ACK: u16 = 4;

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETQDISC: u16 = 38;

/// A message of an answer, without its header.
pub(crate) struct Message {
    pub(crate) payload: Vec<u8>,
}

/// Asks for everything of a kind; `body` is the message without its header.
pub(crate) fn dump(family: Family, kind: u16, body: &[u8]) -> Result<Vec<Message>, Failure> {
    ask(family, kind, NLM_F_REQUEST | NLM_F_DUMP, body)
}

/// Asks for one thing.
pub(crate) fn get(family: Family, kind: u16, body: &[u8]) -> Result<Vec<Message>, Failure> {
    ask(family, kind, NLM_F_REQUEST | NLM_F_ACK, body)
}

fn ask(family: Family, kind: u16, flags: u16, body: &[u8]) -> Result<Vec<Message>, Failure> {
    let failed = |error: rustix::io::Errno| Failure::new(format!("asking the kernel by netlink: {error}"));
    let protocol = match family {
        // Number 0.
        Family::Route => None,
        Family::SockDiag => Some(netlink::SOCK_DIAG),
        Family::Generic => Some(netlink::GENERIC),
    };
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol).map_err(failed)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(DEADLINE)).map_err(failed)?;
    let mut question = Vec::with_capacity(HEADER + body.len());
    question.extend(u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX).to_ne_bytes());
    question.extend(kind.to_ne_bytes());
    question.extend(flags.to_ne_bytes());
    question.extend(1u32.to_ne_bytes());
    question.extend(0u32.to_ne_bytes());
    question.extend(body);
    sendto(&socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
    let mut messages = Vec::new();
    let mut buffer = vec![0; DATAGRAM];
    let mut total = 0;
    loop {
        let (length, _) = recv(&socket, &mut *buffer, RecvFlags::empty()).map_err(failed)?;
        total += length;
        if length == 0 || total > LIMIT {
            return Err(Failure::new("the answer by netlink is broken off or too large"));
        }
        if split(&buffer[..length], &mut messages)? {
            return Ok(messages);
        }
    }
}

/// Takes a datagram apart; whether it was the last one.
fn split(mut datagram: &[u8], into: &mut Vec<Message>) -> Result<bool, Failure> {
    while datagram.len() >= HEADER {
        let length = u32_at(datagram, 0).unwrap_or(0) as usize;
        if length < HEADER || length > datagram.len() {
            return Err(Failure::new("a message by netlink has a wrong length"));
        }
        let kind = u16_at(datagram, 4).unwrap_or(0);
        let payload = &datagram[HEADER..length];
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(payload, 0).map_or(0, |code| i32::from_ne_bytes(code.to_ne_bytes()));
                if code == 0 {
                    return Ok(true);
                }
                let error = std::io::Error::from_raw_os_error(code.wrapping_neg());
                return Err(Failure::new(format!("asking the kernel by netlink: {error}")));
            }
            _ => into.push(Message { payload: payload.to_vec() }),
        }
        datagram = datagram.get(align(length)..).unwrap_or_default();
    }
    Ok(false)
}

fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The attributes that stand in `bytes`: types, without the bits for nesting and byte order, and values.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(rest, 0)?);
        let kind = u16_at(rest, 2)? & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The attribute of this type.
pub(crate) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, value)| value)
}

/// Text that a zero may end.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).into_owned()
}

/// An attribute, as it stands in a question.
pub(crate) fn write_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend(u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(align(out.len()), 0);
}

/// A network device.
pub(crate) struct Link {
    pub(crate) name: String,
    /// The numbers of `rtnl_link_stats64`, as many as the kernel has.
    pub(crate) stats: Option<Vec<u64>>,
}

/// The network devices by their number.
pub(crate) fn links() -> Result<BTreeMap<u32, Link>, Failure> {
    const BODY: usize = 16;
    const IFLA_IFNAME: u16 = 3;
    const IFLA_STATS: u16 = 7;
    const IFLA_STATS64: u16 = 23;
    let mut links = BTreeMap::new();
    for message in dump(Family::Route, RTM_GETLINK, &[0; BODY])? {
        let (Some(index), Some(rest)) = (u32_at(&message.payload, 4), message.payload.get(BODY..)) else { continue };
        let long =
            attribute(rest, IFLA_STATS64).map(|stats| stats.chunks_exact(8).filter_map(|it| u64_at(it, 0)).collect());
        let short = || {
            let stats = attribute(rest, IFLA_STATS)?;
            Some(stats.chunks_exact(4).filter_map(|it| u32_at(it, 0)).map(u64::from).collect())
        };
        let name = attribute(rest, IFLA_IFNAME).map(text).unwrap_or_default();
        links.insert(index, Link { name, stats: long.or_else(short) });
    }
    Ok(links)
}

/// How many neighbours each device knows, of those that `net/arp` shows.
pub(crate) fn neighbours() -> Result<BTreeMap<String, u32>, Failure> {
    const AF_INET: u8 = 2;
    const NUD_NOARP: u16 = 0x40;
    let links = links()?;
    let mut body = [0; 12];
    body[0] = AF_INET;
    let mut counts = BTreeMap::new();
    for message in dump(Family::Route, RTM_GETNEIGH, &body)? {
        let (Some(index), Some(state)) = (u32_at(&message.payload, 4), u16_at(&message.payload, 8)) else { continue };
        if let Some(link) = links.get(&index).filter(|_| state & NUD_NOARP == 0) {
            *counts.entry(link.name.clone()).or_default() += 1;
        }
    }
    Ok(counts)
}

/// All addresses: messages whose payload is `ifaddrmsg` with attributes from byte 8 on.
pub(crate) fn addresses() -> Result<Vec<Message>, Failure> {
    dump(Family::Route, RTM_GETADDR, &[0; 8])
}

/// All routes: messages whose payload is `rtmsg` with attributes from byte 12 on.
pub(crate) fn routes() -> Result<Vec<Message>, Failure> {
    dump(Family::Route, RTM_GETROUTE, &[0; 12])
}

/// All queueing disciplines: messages whose payload is `tcmsg` with attributes from byte 20 on.
pub(crate) fn queues() -> Result<Vec<Message>, Failure> {
    dump(Family::Route, RTM_GETQDISC, &[0; 20])
}

/// The number under which somebody answers by generic netlink.
pub(crate) fn generic_family(name: &str) -> Result<u16, Failure> {
    const CTRL: u16 = 16;
    const GETFAMILY: u8 = 3;
    const FAMILY_ID: u16 = 1;
    const FAMILY_NAME: u16 = 2;
    let mut body = vec![GETFAMILY, 1, 0, 0];
    write_attribute(&mut body, FAMILY_NAME, &[name.as_bytes(), b"\0"].concat());
    let answers = get(Family::Generic, CTRL, &body);
    // What the kernel says when nobody has this name.
    let answers = answers.map_err(|_| Failure::no_data(format!("the kernel knows no {name}")))?;
    let found = answers.iter().find_map(|answer| u16_at(attribute(answer.payload.get(4..)?, FAMILY_ID)?, 0));
    found.ok_or_else(|| Failure::no_data(format!("the kernel knows no {name}")))
}

/// Gives bytes to all parsers, whatever they make of it.
pub(crate) fn parse_all(bytes: &[u8]) {
    let mut messages = Vec::new();
    let _ = split(bytes, &mut messages);
    for (_, value) in attributes(bytes) {
        let _ = (text(value), attributes(value).count());
    }
}

/// Names of devices by their number, for labels.
pub(crate) fn device_names() -> Result<HashMap<u32, String>, Failure> {
    Ok(links()?.into_iter().map(|(index, link)| (index, link.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_kernel_tells_of_the_loopback_device() {
        let links = links().unwrap();
        let lo = links.values().find(|link| link.name == "lo").unwrap();
        assert!(lo.stats.as_ref().is_some_and(|stats| stats.len() >= 23));
        routes().unwrap();
        addresses().unwrap();
    }

    #[test]
    fn nobody_answers_to_a_wrong_name() {
        assert!(matches!(generic_family("corten-none"), Err(Failure::NoData(_))));
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_refused_or_ignored(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut messages = Vec::new();
            let _ = split(&bytes, &mut messages);
            for (_, value) in attributes(&bytes).take(1000) {
                let _ = text(value);
            }
        }

        #[test]
        fn attributes_come_back(values in prop::collection::vec((0u16..0x3fff, prop::collection::vec(any::<u8>(), 0..20)), 0..8)) {
            let mut bytes = Vec::new();
            for (kind, value) in &values {
                write_attribute(&mut bytes, *kind, value);
            }
            let back: Vec<_> = attributes(&bytes).map(|(kind, value)| (kind, value.to_vec())).collect();
            prop_assert_eq!(back, values);
        }
    }
}
