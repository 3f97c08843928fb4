//! Takes secrets out of what is kept of a request: values of query parameters that carry them, and credentials in URLs.
//!
//! Headers are not redacted here: those that carry secrets (`authorization`, `cookie`) are never taken out of a head.

use std::borrow::Cow;

/// What stands for a secret.
const REDACTED: &str = "REDACTED";

/// Names of parameters that carry secrets, in lower case and without `-`, `_` and `.`: those of the conventions for
/// `url.query`, of OAuth and of signed URLs.
const SECRET: [&str; 38] = [
    "accesskey",
    "accesstoken",
    "apikey",
    "apisecret",
    "apitoken",
    "assertion",
    "auth",
    "authcode",
    "authkey",
    "authorization",
    "authtoken",
    "awsaccesskeyid",
    "bearer",
    "clientassertion",
    "clientsecret",
    "code",
    "codeverifier",
    "credential",
    "credentials",
    "csrf",
    "idtoken",
    "jwt",
    "key",
    "pass",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "refreshtoken",
    "secret",
    "session",
    "sessionid",
    "sid",
    "sig",
    "signature",
    "token",
    "xsrf",
    "xtoken",
];
/// Names that end so carry secrets too (`X-Amz-Signature`, `x-goog-credential`).
const SECRET_ENDS: [&str; 6] = ["signature", "credential", "securitytoken", "password", "secret", "token"];

/// A query without the values of what is secret.
pub fn query(query: &str) -> Cow<'_, str> {
    if !query.split('&').any(|pair| is_secret(name(pair))) {
        return Cow::Borrowed(query);
    }
    let parts = query.split('&').map(|pair| match is_secret(name(pair)) {
        true => Cow::Owned(format!("{}={REDACTED}", name(pair))),
        false => Cow::Borrowed(pair),
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("&"))
}

/// A URL without credentials, and with its query redacted.
pub fn url(url: &str) -> String {
    let (base, rest) = url.split_once('?').map_or((url, None), |(base, rest)| (base, Some(rest)));
    let mut clean =
        match base.split_once("://").map(|(scheme, rest)| (scheme, rest.find('/').unwrap_or(rest.len()), rest)) {
            Some((scheme, end, rest)) if rest[..end].contains('@') => {
                let host = rest[..end].rsplit('@').next().unwrap_or_default();
                format!("{scheme}://{REDACTED}:{REDACTED}@{host}{}", &rest[end..])
            }
            _ => base.to_owned(),
        };
    if let Some(rest) = rest {
        clean.push('?');
        clean.push_str(&query(rest));
    }
    clean
}

fn name(pair: &str) -> &str {
    pair.split_once('=').map_or("", |(name, _)| name)
}

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect();
    SECRET.binary_search(&plain.as_str()).is_ok() || SECRET_ENDS.iter().any(|end| plain.ends_with(end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(SECRET.is_sorted());
    }

    #[test]
    fn secrets_are_taken_out() {
        for (before, after) in [
            ("a=1&b=2", "a=1&b=2"),
            ("a=1&token=abc&b=2", "a=1&token=REDACTED&b=2"),
            ("API-Key=x", "API-Key=REDACTED"),
            ("X-Amz-Signature=x&X-Amz-Date=y", "X-Amz-Signature=REDACTED&X-Amz-Date=y"),
            ("sig=x&key", "sig=REDACTED&key"),
            ("access_token=", "access_token=REDACTED"),
            ("", ""),
        ] {
            assert_eq!(query(before), after);
        }
        assert_eq!(url("http://u:p@h:1/a?sig=1&x=2"), "http://REDACTED:REDACTED@h:1/a?sig=REDACTED&x=2");
        assert_eq!(url("http://h/a@b"), "http://h/a@b");
        assert_eq!(url("/p?pwd=1"), "/p?pwd=REDACTED");
    }

    proptest! {
        #[test]
        fn a_secret_never_stays(before in "[a-z&=]{0,20}", secret in "[0-9]{8}", after in "(&[a-z=&]{0,10})?") {
            let text = format!("{before}&password={secret}{after}");
            prop_assert!(!query(&text).contains(&secret));
            prop_assert!(!url(&format!("http://h/p?{text}")).contains(&secret), "{}", text);
        }
    }
}
