//! Amazon's Signature Version 4 over a request, as its documentation describes it.

use std::time::{SystemTime, UNIX_EPOCH};

use corten_component::BuildError;
use corten_net::http::{HeaderMap, HeaderValue, Uri, header};
use corten_syntax::Secret;
use ring::{digest, hmac};

use super::cloud::SigV4;

/// Signs requests with one key.
pub(super) struct Signer {
    key_id: String,
    key: Secret,
    /// Of temporary keys.
    token: Secret,
    region: String,
    service: String,
}

impl Signer {
    /// With the block's key, or the environment's.
    pub(super) fn new(block: &SigV4, variable: impl Fn(&str) -> Option<String>) -> Result<Self, BuildError> {
        let written = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let found = |name: &str| variable(name).filter(|text| !text.is_empty());
        let missing = |field: &str, what: &str, help: &str| {
            BuildError::at(format!("sigv4.{field}"), format!("sigv4 has no {what}")).with_help(help)
        };
        let own = !block.access_key.is_empty();
        let key_help = "write access_key and secret_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        let region_help = "write region, or set AWS_REGION";
        Ok(Self {
            key_id: written(&block.access_key)
                .or_else(|| found("AWS_ACCESS_KEY_ID"))
                .ok_or_else(|| missing("access_key", "key", key_help))?,
            key: if own {
                block.secret_key.clone()
            } else {
                let key = found("AWS_SECRET_ACCESS_KEY").ok_or_else(|| missing("secret_key", "key", key_help))?;
                Secret::new(key)
            },
            token: Secret::new(if own { None } else { found("AWS_SESSION_TOKEN") }.unwrap_or_default()),
            region: written(&block.region)
                .or_else(|| found("AWS_REGION"))
                .or_else(|| found("AWS_DEFAULT_REGION"))
                .ok_or_else(|| missing("region", "region", region_help))?,
            service: block.service_name.clone(),
        })
    }

    /// Adds the signature of a POST request to its headers.
    pub(super) fn sign(&self, uri: &Uri, headers: &mut HeaderMap, body: &[u8]) {
        self.sign_at(SystemTime::now(), "POST", uri, headers, body);
    }

    fn sign_at(&self, now: SystemTime, method: &str, uri: &Uri, headers: &mut HeaderMap, body: &[u8]) {
        let time = timestamp(now);
        let day = time.get(..8).unwrap_or_default().to_owned();
        let body_hash = hash(body);
        let mut set = |name: &'static str, value: &str| {
            if let Ok(mut value) = HeaderValue::from_str(value) {
                value.set_sensitive(name == "x-amz-security-token" || name == "authorization");
                headers.insert(name, value);
            }
        };
        set("x-amz-date", &time);
        set("x-amz-content-sha256", &body_hash);
        if !self.token.is_empty() {
            set("x-amz-security-token", self.token.expose());
        }
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        // What a proxy on the way may change or add is left out.
        let signed = |name: &str| name == header::CONTENT_TYPE || name.starts_with("x-");
        let mut lines: Vec<(String, String)> = headers
            .iter()
            .filter(|(name, _)| signed(name.as_str()))
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), squeeze(value.to_str().ok()?))))
            .chain([("host".to_owned(), host)])
            .collect();
        lines.sort();
        let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let mut request = format!("{method}\n{}\n{}\n", path(uri, &self.service), query(uri));
        for (name, value) in &lines {
            request.push_str(&format!("{name}:{value}\n"));
        }
        request.push_str(&format!("\n{names}\n{body_hash}"));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(request));
        let start = format!("AWS4{}", self.key.expose()).into_bytes();
        let key = [day.as_str(), &self.region, &self.service, "aws4_request"]
            .iter()
            .fold(start, |key, part| keyed(&key, part.as_bytes()));
        let signature = hex(&keyed(&key, text.as_bytes()));
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.key_id
        );
        if let Ok(mut value) = HeaderValue::from_str(&value) {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
    }
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn hash(bytes: impl AsRef<[u8]>) -> String {
    hex(digest::digest(&digest::SHA256, bytes.as_ref()).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Without spaces around it, and with single ones inside.
fn squeeze(value: &str) -> String {
    value.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `20150830T123600Z`.
fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = ((seconds / 86_400) as i64, seconds % 86_400);
    // Days since 1970 as a date of the Gregorian calendar, whose years begin in March here.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Percent-encodes what is not plain; `keep` stays too.
fn encode(text: &[u8], keep: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(*byte)),
            byte if keep.contains(byte) => out.push(char::from(*byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The path as it is sent, encoded once more, except for S3.
fn path(uri: &Uri, service: &str) -> String {
    match uri.path() {
        "" => "/".to_owned(),
        path if service == "s3" => path.to_owned(),
        path => encode(path.as_bytes(), b"/"),
    }
}

/// Sorted parameters. What is encoded already stays so.
fn query(uri: &Uri) -> String {
    let mut pairs: Vec<(String, String)> = uri
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(name.as_bytes(), b"%"), encode(value.as_bytes(), b"%"))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The key of the service's published test suite.
    fn signer() -> Signer {
        Signer {
            key_id: "AKIDEXAMPLE".to_owned(),
            key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            token: Secret::default(),
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
        }
    }

    /// 2015-08-30T12:36:00Z
    fn moment() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_440_938_160)
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(timestamp(moment()), "20150830T123600Z");
        assert_eq!(timestamp(UNIX_EPOCH), "19700101T000000Z");
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(951_782_399)), "20000228T235959Z");
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(951_782_400)), "20000229T000000Z");
    }

    /// The derivation of keys has a published example of its own.
    #[test]
    fn the_published_key_is_derived() {
        let start = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec();
        let key = ["20120215", "us-east-1", "iam", "aws4_request"]
            .iter()
            .fold(start, |key, part| keyed(&key, part.as_bytes()));
        assert_eq!(hex(&key), "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
    }

    /// Without the headers that this client adds, the suite's `get-vanilla`: the same steps on other text.
    #[test]
    fn the_published_signature_is_made() {
        let text = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n\
                    bb579772317eb040ac9ed261061d46c1f17a8133879d6129b6e1c25292927e63";
        let start = format!("AWS4{}", signer().key.expose()).into_bytes();
        let key = ["20150830", "us-east-1", "service", "aws4_request"]
            .iter()
            .fold(start, |key, part| keyed(&key, part.as_bytes()));
        let expected = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(hex(&keyed(&key, text.as_bytes())), expected);
        let request = "GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n\
                       e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(text.ends_with(&hash(request)));
    }

    #[test]
    fn a_request_is_signed_with_its_headers_and_body() {
        let uri: Uri = "https://aps.example/a b".replace(' ', "%20").parse().unwrap();
        let sign = |body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
            headers.insert(header::USER_AGENT, HeaderValue::from_static("x"));
            signer().sign_at(moment(), "POST", &uri, &mut headers, body);
            headers[header::AUTHORIZATION].to_str().unwrap().to_owned()
        };
        let first = sign(b"a");
        let start = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                     SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature=";
        assert!(first.starts_with(start), "{first}");
        assert!(first == sign(b"a") && first != sign(b"b"));
        assert_eq!(path(&uri, "aps"), "/a%2520b");
        assert_eq!(query(&"http://a/?b=2&a=%20&a=1".parse().unwrap()), "a=%20&a=1&b=2");
    }

    #[test]
    fn keys_come_from_the_block_or_the_environment() {
        let block = SigV4 { region: "eu-west-1".to_owned(), ..SigV4::default() };
        let error = Signer::new(&block, |_| None).map(|_| ()).unwrap_err();
        assert!(error.message.contains("no key") && error.help.unwrap().contains("AWS_ACCESS_KEY_ID"));
        let signer = Signer::new(&block, |name| Some(format!("the {name}"))).unwrap();
        assert_eq!((signer.key_id.as_str(), signer.region.as_str()), ("the AWS_ACCESS_KEY_ID", "eu-west-1"));
        assert_eq!(signer.token.expose(), "the AWS_SESSION_TOKEN");
        let keys = SigV4 { access_key: "id".to_owned(), secret_key: Secret::new("key".to_owned()), ..SigV4::default() };
        let error = Signer::new(&keys, |_| None).map(|_| ()).unwrap_err();
        assert!(error.message.contains("no region"));
        let signer = Signer::new(&keys, |name| (name == "AWS_REGION").then(|| "x".to_owned())).unwrap();
        assert!(signer.token.is_empty());
    }
}
