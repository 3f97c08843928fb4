//! The head of an HTTP/1 message: the first line and the headers, as far as they were captured.
//!
//! A head may be cut: what was captured of it is read all the same. Nothing is copied, nothing is refused that a server
//! would accept. Source: RFC 9112.

/// The longest head that is kept while it arrives in pieces.
pub const LONGEST: usize = 8 * 1024;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Where a head ends, if it does: the number of bytes including the empty line.
pub fn end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = memchr::memchr(b'\n', &bytes[from..]) {
        let next = from + at + 1;
        match bytes.get(next..) {
            Some([b'\r', b'\n', ..]) => return Some(next + 2),
            Some([b'\n', ..]) => return Some(next + 1),
            _ => from = next,
        }
    }
    None
}

/// Whether bytes at the begin of a message can be a request: a method that is registered and a space, as far as they
/// go. Methods of extensions are taken only if the version stands at the end of the line.
pub fn looks_like_request(bytes: &[u8]) -> bool {
    let known = METHODS.iter().any(|method| {
        let method = method.as_bytes();
        match bytes.get(..method.len() + 1) {
            Some(start) => &start[..method.len()] == method && start[method.len()] == b' ',
            None => {
                !bytes.is_empty() && method.starts_with(bytes.get(..bytes.len().min(method.len())).unwrap_or(bytes))
            }
        }
    });
    known || Request::parse(bytes).is_some_and(|request| request.version.is_some() && is_token(request.method))
}

/// Whether bytes at the begin of a message can be a response, as far as they go.
pub fn looks_like_response(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    let common = bytes.len().min(START.len());
    common > 0 && bytes[..common] == START[..common]
}

fn is_token(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The first line of a request, and its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The target as it was sent; cut if the capture was.
    pub target: &'a str,
    /// `0` or `1`, as in `HTTP/1.1`; `None` if the line was cut before it.
    pub version: Option<u8>,
    /// What follows the line.
    pub headers: Headers<'a>,
}

impl<'a> Request<'a> {
    /// Reads what there is of a request's head.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (line, rest) = first_line(bytes);
        let line = text(line);
        let (method, rest_of_line) = line.split_once(' ')?;
        if !is_token(method) {
            return None;
        }
        let (target, version) = match rest_of_line.rsplit_once(' ') {
            Some((target, version)) if version.starts_with("HTTP/") => (target, minor(version)),
            _ => (rest_of_line, None),
        };
        if target.is_empty() {
            return None;
        }
        Some(Self { method, target, version, headers: Headers(rest) })
    }

    /// What follows the head: a body of this length, chunks, or nothing.
    pub fn body(&self) -> Body {
        if self.headers.is_chunked() {
            return Body::Chunked;
        }
        self.headers.content_length().map_or(Body::Length(0), Body::Length)
    }
}

/// The first line of a response, and its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status.
    pub status: u16,
    /// `0` or `1`, as in `HTTP/1.1`.
    pub version: u8,
    /// What follows the line.
    pub headers: Headers<'a>,
}

impl<'a> Response<'a> {
    /// Reads what there is of a response's head.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (line, rest) = first_line(bytes);
        let line = text(line);
        let (version, rest_of_line) = line.split_once(' ')?;
        let version = minor(version)?;
        let digits = rest_of_line.trim_start().get(..3)?;
        let status = digits.parse().ok().filter(|status| (100..1000).contains(status))?;
        Some(Self { status, version, headers: Headers(rest) })
    }

    /// Whether it only announces another response: 100 and its like, but not the switch to another protocol.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }

    /// What follows the head, as the answer to a request with this method.
    pub fn body(&self, method: &str) -> Body {
        match self.status {
            101 => return Body::Tunnel,
            200..300 if method == "CONNECT" => return Body::Tunnel,
            100..200 | 204 | 304 => return Body::Length(0),
            _ if method == "HEAD" => return Body::Length(0),
            _ => {}
        }
        if self.headers.is_chunked() {
            return Body::Chunked;
        }
        self.headers.content_length().map_or(Body::UntilClose, Body::Length)
    }
}

/// How far a body goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks, the last of which is empty.
    Chunked,
    /// Until the connection ends, since nothing says otherwise.
    UntilClose,
    /// The connection speaks something else from now on.
    Tunnel,
}

/// The lines after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// Names as they were sent and values without the space around them. A line that is cut is left out.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                let at = memchr::memchr(b'\n', rest)?;
                let line = text(&rest[..at]);
                rest = &rest[at + 1..];
                if line.is_empty() {
                    return None;
                }
                if let Some((name, value)) = line.split_once(':') {
                    return Some((name, value.trim_matches([' ', '\t'])));
                }
            }
        })
    }

    /// The first value of a header, whatever its case.
    pub fn get(self, wanted: &str) -> Option<&'a str> {
        self.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }

    fn content_length(self) -> Option<u64> {
        // `4, 4` is what a proxy makes of two equal lines.
        self.get("content-length")?.split(',').next()?.trim().parse().ok()
    }

    fn is_chunked(self) -> bool {
        self.iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"))
            .any(|(_, value)| value.rsplit(',').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked")))
    }
}

/// The first line without its end, and what follows it. Without an end, all is the first line.
fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// The line as text, up to the first byte that is none.
fn text(line: &[u8]) -> &str {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&line[..error.valid_up_to()]).unwrap_or_default(),
    }
}

fn minor(version: &str) -> Option<u8> {
    match version {
        "HTTP/1.1" => Some(1),
        "HTTP/1.0" => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read() {
        let bytes = b"POST /a?b=c HTTP/1.1\r\nHost: example.org\r\nContent-Length: 12\r\nX:y \r\n\r\nhello";
        let request = Request::parse(bytes).unwrap();
        assert_eq!((request.method, request.target, request.version), ("POST", "/a?b=c", Some(1)));
        assert_eq!(request.headers.get("HOST"), Some("example.org"));
        assert_eq!(request.headers.get("x"), Some("y"));
        assert_eq!(request.body(), Body::Length(12));
        assert_eq!(end(bytes), Some(bytes.len() - 5));
    }

    #[test]
    fn a_cut_head_is_read_as_far_as_it_goes() {
        let request = Request::parse(b"GET /a/very/long/pa").unwrap();
        assert_eq!((request.target, request.version), ("/a/very/long/pa", None));
        let request = Request::parse(b"GET / HTTP/1.1\r\nHost: a\r\nConte").unwrap();
        assert_eq!(request.headers.iter().collect::<Vec<_>>(), [("Host", "a")]);
        assert_eq!(end(b"GET / HTTP/1.1\r\nHost: a\r\n"), None);
        assert_eq!(end(b"GET / HTTP/1.1\n\n"), Some(16));
    }

    #[test]
    fn bodies_follow_from_status_and_method() {
        let response = |text: &'static str| Response::parse(text.as_bytes()).unwrap();
        let plain = response("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        assert_eq!(plain.body("GET"), Body::Length(5));
        assert_eq!(plain.body("HEAD"), Body::Length(0));
        assert_eq!(plain.body("CONNECT"), Body::Tunnel);
        assert_eq!(response("HTTP/1.1 204 No\r\n\r\n").body("GET"), Body::Length(0));
        assert_eq!(response("HTTP/1.1 101 Up\r\n\r\n").body("GET"), Body::Tunnel);
        assert_eq!(response("HTTP/1.0 200 OK\r\n\r\n").body("GET"), Body::UntilClose);
        let chunked = response("HTTP/1.1 200\r\nTransfer-Encoding: gzip, Chunked\r\nContent-Length: 3\r\n\r\n");
        assert_eq!(chunked.body("GET"), Body::Chunked);
        assert!(response("HTTP/1.1 100 Continue\r\n\r\n").is_interim());
        assert!(!response("HTTP/1.1 101 Switching\r\n\r\n").is_interim());
    }

    #[test]
    fn what_is_not_http_is_not_taken_for_it() {
        for request in [&b"GET / HTTP/1.1\r\n"[..], b"GE", b"PROPFIND /dav HTTP/1.1\r\n", b"DELETE /x"] {
            assert!(looks_like_request(request), "{request:?}");
        }
        for other in [&b""[..], b"\x16\x03\x01", b"GETX", b"hello world", b"HTTP/1.1 200 OK", b"get / x"] {
            assert!(!looks_like_request(other), "{other:?}");
        }
        assert!(looks_like_response(b"HT") && looks_like_response(b"HTTP/1.0 200"));
        assert!(!looks_like_response(b"") && !looks_like_response(b"HTTP/2"));
        assert!(Request::parse(b"\xff\xff / HTTP/1.1").is_none());
        assert!(Response::parse(b"HTTP/1.1 99 x").is_none() && Response::parse(b"HTTP/1.1 2").is_none());
    }
}
