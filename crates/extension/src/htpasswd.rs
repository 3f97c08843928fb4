//! Lines of `name:hash`, as Apache's htpasswd writes them.
//!
//! Known are bcrypt, `$apr1$` (MD5), `{SHA}`, `{SSHA}` and plain text, which are what the collector's extension knows.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use corten_net::auth::constant_time_eq;
use md5::{Digest, Md5};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

const SHA1_LEN: usize = 20;
const APR1: &str = "$apr1$";
const APR1_ROUNDS: usize = 1000;

/// Names with the hashes of their passwords.
#[derive(Clone, Default)]
pub(crate) struct Htpasswd(HashMap<String, Hash>);

#[derive(Clone)]
pub(crate) enum Hash {
    Bcrypt(String),
    Apr1 { salt: String, hash: String },
    Sha(Vec<u8>),
    Salted { hash: Vec<u8>, salt: Vec<u8> },
    Plain(String),
}

impl Htpasswd {
    /// Reads lines; empty ones and comments are left out. Of two lines with one name the first counts.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut entries = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line is not quoted: it may hold a password.
            let Some((name, hash)) = line.split_once(':') else {
                return Err(format!("line {} is not name:password", index + 1));
            };
            let hash = Hash::parse(hash).ok_or_else(|| format!("line {}: the password's hash is broken", index + 1))?;
            entries.insert(name, hash);
        }
        Ok(entries)
    }

    pub(crate) fn insert(&mut self, name: &str, hash: Hash) {
        self.0.entry(name.to_owned()).or_insert(hash);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Hash> {
        self.0.get(name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Hash {
    fn parse(text: &str) -> Option<Self> {
        if let Some(hash) = text.strip_prefix("{SHA}") {
            return STANDARD.decode(hash).ok().filter(|hash| hash.len() == SHA1_LEN).map(Self::Sha);
        }
        if let Some(hash) = text.strip_prefix("{SSHA}") {
            let mut hash = STANDARD.decode(hash).ok().filter(|hash| hash.len() > SHA1_LEN)?;
            let salt = hash.split_off(SHA1_LEN);
            return Some(Self::Salted { hash, salt });
        }
        if let Some(rest) = text.strip_prefix(APR1) {
            let (salt, hash) = rest.split_once('$')?;
            return Some(Self::Apr1 { salt: salt.to_owned(), hash: hash.to_owned() });
        }
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return text.parse::<bcrypt::HashParts>().ok().map(|_| Self::Bcrypt(text.to_owned()));
        }
        Some(Self::Plain(text.to_owned()))
    }

    /// A password that stands in the file as it is.
    pub(crate) fn plain(password: &str) -> Self {
        Self::Plain(password.to_owned())
    }

    /// Whether checking takes so long that it does not belong on the event loop.
    pub(crate) fn is_slow(&self) -> bool {
        matches!(self, Self::Bcrypt(_) | Self::Apr1 { .. })
    }

    pub(crate) fn matches(&self, password: &str) -> bool {
        let sha = |salt: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, &[password.as_bytes(), salt].concat());
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Apr1 { salt, hash } => {
                constant_time_eq(apr1(password.as_bytes(), salt.as_bytes()).as_bytes(), hash.as_bytes())
            }
            Self::Sha(hash) => constant_time_eq(sha(b"").as_ref(), hash),
            Self::Salted { hash, salt } => constant_time_eq(sha(salt).as_ref(), hash),
            Self::Plain(text) => constant_time_eq(password.as_bytes(), text.as_bytes()),
        }
    }
}

/// Apache's variant of MD5-crypt: the 22 characters behind the salt.
fn apr1(password: &[u8], salt: &[u8]) -> String {
    let salt = &salt[..salt.len().min(8)];
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(APR1).chain_update(salt);
    let mut left = password.len();
    while left > 0 {
        outer.update(&inner[..left.min(16)]);
        left = left.saturating_sub(16);
    }
    let mut bits = password.len();
    while bits > 0 {
        if bits & 1 == 1 {
            outer.update([0]);
        } else {
            outer.update(&password[..1]);
        }
        bits >>= 1;
    }
    let mut hash = outer.finalize();
    for round in 0..APR1_ROUNDS {
        let mut next = Md5::new();
        if round % 2 == 1 {
            next.update(password)
        } else {
            next.update(hash)
        }
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        if round % 2 == 1 {
            next.update(hash)
        } else {
            next.update(password)
        }
        hash = next.finalize();
    }
    let mut out = String::with_capacity(22);
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let value = u32::from(hash[a]) << 16 | u32::from(hash[b]) << 8 | u32::from(hash[c]);
        encode(&mut out, value, 4);
    }
    encode(&mut out, u32::from(hash[11]), 2);
    out
}

fn encode(out: &mut String, mut value: u32, count: usize) {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for _ in 0..count {
        out.push(char::from(ALPHABET[(value & 63) as usize]));
        value >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl passwd -apr1 -salt r31..... myPassword` and the like: known answers.
    #[test]
    fn known_hashes_are_recognised() {
        let file = "# users\n\n\
            apr1:$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/\n\
            sha:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=\n\
            bcrypt:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC\n\
            plain:myPassword\n";
        let users = Htpasswd::parse(file).unwrap();
        for name in ["apr1", "sha", "bcrypt", "plain"] {
            assert!(users.get(name).unwrap().matches("myPassword"), "{name}");
            assert!(!users.get(name).unwrap().matches("other"), "{name}");
        }
        assert!(users.get("nobody").is_none());
    }

    #[test]
    fn salted_sha_is_recognised() {
        let mut bytes = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"passwordsalt").as_ref().to_vec();
        bytes.extend_from_slice(b"salt");
        let users = Htpasswd::parse(&format!("a:{{SSHA}}{}", STANDARD.encode(bytes))).unwrap();
        assert!(users.get("a").unwrap().matches("password") && !users.get("a").unwrap().matches("salt"));
    }

    #[test]
    fn broken_lines_are_told_without_their_content() {
        for text in ["a:b\ncanary", "a:b\nx:{SHA}canary", "a:b\nx:$2y$canary"] {
            let Err(error) = Htpasswd::parse(text) else { panic!("{text}") };
            assert!(error.contains("line 2") && !error.contains("canary"), "{error}");
        }
    }
}
