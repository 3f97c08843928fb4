//! Questions and answers as bytes. Source: RFC 1035, RFC 2782, RFC 3596, RFC 6891.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Names nest by pointing at each other; this many steps are more than any name needs.
const MOST_JUMPS: usize = 64;
const LONGEST_NAME: usize = 255;
/// What an answer by UDP may have.
pub(super) const UDP_SIZE: u16 = 4096;

/// The types of records that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Addresses of IPv4.
    A,
    /// Name servers.
    Ns,
    /// Mail servers.
    Mx,
    /// Addresses of IPv6.
    Aaaa,
    /// Services.
    Srv,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::A, Self::Ns, Self::Mx, Self::Aaaa, Self::Srv];

    /// The name of the type.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Ns => "NS",
            Self::Mx => "MX",
            Self::Aaaa => "AAAA",
            Self::Srv => "SRV",
        }
    }

    fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Mx => 15,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An address.
    A(Ipv4Addr),
    /// An address.
    Aaaa(Ipv6Addr),
    /// A service.
    Srv {
        /// Its host.
        target: String,
        /// Its port.
        port: u16,
    },
    /// A mail server.
    Mx(String),
    /// A name server.
    Ns(String),
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The number of the question.
    pub id: u16,
    /// Whether more would not fit.
    pub truncated: bool,
    /// 0 if all is well, 3 if there is no such name.
    pub code: u8,
    /// The records of the type that was asked for.
    pub records: Vec<Record>,
}

/// A question for a name with all its parts; `None` if that is no name.
pub fn question(id: u16, name: &str, kind: Kind, size: Option<u16>) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64);
    // One question, recursion desired, and perhaps one record about the question.
    for word in [id, 0x0100, 1, 0, 0, u16::from(size.is_some())] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    let name = name.trim_end_matches('.');
    for part in name.split('.').filter(|_| !name.is_empty()) {
        let length = u8::try_from(part.len()).ok().filter(|length| (1..64).contains(length))?;
        bytes.push(length);
        bytes.extend_from_slice(part.as_bytes());
    }
    if name.len() > LONGEST_NAME - 2 {
        return None;
    }
    bytes.push(0);
    for word in [kind.code(), 1] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    if let Some(size) = size {
        // The root, type OPT, the size in place of a class, and nothing else.
        bytes.push(0);
        for word in [41, size, 0, 0, 0] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
    }
    Some(bytes)
}

/// Reads an answer; `None` if it is none.
pub fn answer(bytes: &[u8], kind: Kind) -> Option<Answer> {
    let mut reader = Reader { bytes, at: 0 };
    let (id, flags) = (reader.word()?, reader.word()?);
    let (questions, answers) = (reader.word()?, reader.word()?);
    reader.skip(4)?;
    // The highest bit says that it is an answer.
    if flags & 0x8000 == 0 {
        return None;
    }
    for _ in 0..questions {
        reader.name()?;
        reader.skip(4)?;
    }
    let truncated = flags & 0x0200 != 0;
    let mut records = Vec::new();
    for _ in 0..answers {
        match reader.record(kind) {
            Some(record) => records.extend(record),
            None if truncated => break,
            None => return None,
        }
    }
    Some(Answer { id, truncated, code: (flags & 15) as u8, records })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.take(count).map(drop)
    }

    fn word(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name with its last dot. What is not UTF-8 is no name of ours.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut at = self.at;
        let mut after = None;
        for _ in 0..MOST_JUMPS + LONGEST_NAME {
            let length = *self.bytes.get(at)?;
            at += 1;
            match length {
                0 => {
                    self.at = after.unwrap_or(at);
                    return Some(if name.is_empty() { ".".to_owned() } else { name });
                }
                1..64 => {
                    let part = self.bytes.get(at..at + usize::from(length))?;
                    at += part.len();
                    name.push_str(std::str::from_utf8(part).ok()?);
                    name.push('.');
                    if name.len() > LONGEST_NAME {
                        return None;
                    }
                }
                192.. => {
                    let low = *self.bytes.get(at)?;
                    after = after.or(Some(at + 1));
                    at = usize::from(length & 63) << 8 | usize::from(low);
                }
                _ => return None,
            }
        }
        None
    }

    /// The next record; `Some(None)` if it is of another type.
    fn record(&mut self, wanted: Kind) -> Option<Option<Record>> {
        self.name()?;
        let (kind, class) = (self.word()?, self.word()?);
        self.skip(4)?;
        let length = usize::from(self.word()?);
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let record = if kind == wanted.code() && class == 1 {
            Some(match wanted {
                Kind::A => Record::A(<[u8; 4]>::try_from(self.take(4)?).ok()?.into()),
                Kind::Aaaa => Record::Aaaa(<[u8; 16]>::try_from(self.take(16)?).ok()?.into()),
                Kind::Ns => Record::Ns(self.name()?),
                Kind::Mx => {
                    self.skip(2)?;
                    Record::Mx(self.name()?)
                }
                Kind::Srv => {
                    self.skip(4)?;
                    let port = self.word()?;
                    Record::Srv { target: self.name()?, port }
                }
            })
        } else {
            None
        };
        self.at = end;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer to a question, with records whose names point at the question's.
    fn reply(question: &[u8], records: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = question.to_vec();
        bytes[2] |= 0x80;
        bytes[7] = records.len() as u8;
        bytes[11] = 0;
        for (kind, data) in records {
            bytes.extend_from_slice(&[192, 12]);
            for word in [*kind, 1, 0, 60, data.len() as u16] {
                bytes.extend_from_slice(&word.to_be_bytes());
            }
            bytes.extend_from_slice(data);
        }
        bytes
    }

    #[test]
    fn answers_are_read() {
        let asked = question(7, "_x._tcp.example.com.", Kind::Srv, None).unwrap();
        let srv = [&[0, 1, 0, 2, 0x0c, 0xea, 3][..], b"db1", &[192, 20]].concat();
        let found = answer(&reply(&asked, &[(5, vec![192, 12]), (33, srv)]), Kind::Srv).unwrap();
        assert_eq!((found.id, found.code, found.truncated), (7, 0, false));
        assert_eq!(found.records, [Record::Srv { target: "db1.example.com.".into(), port: 3306 }]);
        let asked = question(7, "a", Kind::A, None).unwrap();
        let found = answer(&reply(&asked, &[(1, vec![192, 0, 2, 1])]), Kind::A).unwrap();
        assert_eq!(found.records, [Record::A([192, 0, 2, 1].into())]);
        let found = answer(&reply(&asked, &[(15, [&[0, 9, 2][..], b"mx", &[0]].concat())]), Kind::Mx).unwrap();
        assert_eq!(found.records, [Record::Mx("mx.".into())]);
    }

    #[test]
    fn names_that_point_in_circles_are_none() {
        let mut asked = question(7, "a", Kind::Ns, None).unwrap();
        asked.truncate(12);
        asked.extend_from_slice(&[192, 12, 0, 2, 0, 1]);
        assert_eq!(answer(&reply(&asked, &[]), Kind::Ns), None);
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        assert!(question(1, "a..b", Kind::A, None).is_none());
        assert!(question(1, &"a".repeat(64), Kind::A, None).is_none());
        assert!(question(1, &"a.".repeat(128), Kind::A, None).is_none());
        assert!(question(1, &"a.".repeat(126), Kind::A, Some(UDP_SIZE)).is_some());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..5) {
            let _ = answer(&bytes, Kind::ALL[kind]);
        }

        #[test]
        fn broken_answers_never_panic(at in 0usize..60, byte: u8) {
            let asked = question(7, "_x._tcp.example.com", Kind::Srv, Some(UDP_SIZE)).unwrap();
            let mut bytes = reply(&asked, &[(33, vec![0, 1, 0, 2, 12, 234, 192, 12])]);
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = answer(&bytes, Kind::Srv);
        }
    }
}
