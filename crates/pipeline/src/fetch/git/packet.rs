//! Packet lines, the framing of git's protocol (gitprotocol-common(5), gitprotocol-v2(5)).

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'b> {
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// `0002`: the end of an answer.
    End,
    Data(&'b [u8]),
}

/// The packets of a body.
pub(super) struct Packets<'b>(pub(super) &'b [u8]);

impl<'b> Iterator for Packets<'b> {
    type Item = Result<Packet<'b>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let digits = self.0.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let length = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let packet = match length {
            Some(0) => Packet::Flush,
            Some(1) => Packet::Delimiter,
            Some(2) => Packet::End,
            Some(length @ 4..) if length <= self.0.len() => {
                let (packet, rest) = self.0.split_at(length);
                self.0 = rest;
                return Some(Ok(Packet::Data(&packet[4..])));
            }
            _ => {
                self.0 = &[];
                return Some(Err("the server does not speak git's protocol".to_owned()));
            }
        };
        self.0 = &self.0[4..];
        Some(Ok(packet))
    }
}

/// A request of protocol 2: the command, then its arguments.
pub(super) fn request(command: &str, arguments: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = |text: &str| out.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
    line(&format!("command={command}"));
    line(concat!("agent=corten/", env!("CARGO_PKG_VERSION")));
    line("object-format=sha1");
    out.extend_from_slice(b"0001");
    for argument in arguments {
        out.extend_from_slice(format!("{:04x}{argument}\n", argument.len() + 5).as_bytes());
    }
    out.extend_from_slice(b"0000");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_split_and_lies_about_length_noticed() {
        let packets: Vec<_> = Packets(b"0006a\n0001000000020005x").map(|packet| packet.expect("a packet")).collect();
        assert_eq!(packets, [Packet::Data(b"a\n"), Packet::Delimiter, Packet::Flush, Packet::End, Packet::Data(b"x")]);
        for bad in [&b"00"[..], b"zzzz", b"ffffx", b"0003", b"+006a\n"] {
            let all: Vec<_> = Packets(bad).collect();
            assert!(matches!(all.last(), Some(Err(_))) && all.len() == 1, "{bad:?} {all:?}");
        }
    }

    #[test]
    fn a_request_is_framed() {
        let body = request("ls-refs", &["peel".to_owned()]);
        let text = String::from_utf8(body).expect("text");
        assert!(text.starts_with("0014command=ls-refs\n") && text.ends_with("00010009peel\n0000"), "{text}");
    }
}
