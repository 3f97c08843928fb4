//! Words and what is none: how usual the pairs of letters are, in words of interfaces.
//!
//! The table was counted in English text and source code. Words of other languages in Latin letters pass too, since
//! what tells is mostly where vowels stand; a random string of letters does in one case of seven.

/// Above this mean, in the unit of [`PAIRS`], letters are no word.
const UNUSUAL: u32 = 35;

/// Abbreviations that look like nothing, and words with digits in them that are no values.
const KNOWN: [&str; 118] = [
    "aa", "ascii", "avoid", "aws", "base64", "bgp", "bpf", "btc", "cfg", "cgi", "cmd", "cms", "cpp", "cpu", "crm",
    "crud", "css", "csv", "ctx", "cwd", "db", "dbg", "dns", "docx", "ebpf", "eks", "erp", "faas", "fmt", "fn", "ftp",
    "gcc", "gcp", "gpg", "graphql", "grpc", "gzip", "h2", "hls", "hr", "html", "http", "http2", "https", "i18n",
    "ipfs", "ipv4", "ipv6", "jpeg", "jpg", "js", "json", "jsp", "jwks", "jwt", "k6", "k8s", "kml", "kpi", "l10n",
    "ldap", "log4j", "lzma", "md", "md5", "mfa", "mgmt", "mp3", "mp4", "mpd", "mqtt", "mvc", "nft", "nfts", "npm",
    "oauth2", "oidc", "otlp", "otp", "p2p", "pdb", "pdf", "php", "pkg", "png", "psql", "pwd", "qr", "rfc", "rpc",
    "rpm", "rss", "rtc", "s3", "sdk", "sha1", "sha256", "smtp", "sql", "src", "srv", "ssh", "ssl", "sso", "svc", "svg",
    "sys", "tcp", "tls", "tmp", "ttf", "txt", "udp", "utf8", "uuid", "web", "webhook", "webhooks",
];

/// How rare it is that one letter follows another: minus ten times the natural logarithm of the share of those that
/// follow the first letter.
#[rustfmt::skip]
const PAIRS: [[u8; 26]; 26] = [
    [58, 32, 27, 30, 58, 50, 35, 63, 33, 70, 45, 21, 28, 24, 70, 32, 70, 20, 26, 18, 40, 45, 46, 48, 43, 60],
    [21, 41, 36, 41, 24, 49, 53, 54, 25, 34, 59, 17, 44, 47, 26, 39, 61, 30, 27, 42, 23, 66, 65, 60, 32, 53],
    [22, 63, 37, 48, 21, 52, 57, 24, 33, 76, 27, 28, 44, 53, 16, 46, 62, 30, 39, 22, 32, 53, 62, 67, 44, 76],
    [26, 43, 41, 33, 12, 41, 51, 53, 17, 59, 56, 31, 45, 44, 25, 44, 62, 34, 29, 40, 31, 51, 50, 59, 47, 68],
    [30, 50, 28, 23, 37, 36, 42, 56, 48, 68, 58, 31, 33, 22, 50, 36, 44, 17, 21, 26, 52, 41, 47, 32, 49, 72],
    [25, 56, 43, 39, 26, 24, 51, 58, 14, 67, 65, 28, 48, 47, 21, 47, 63, 25, 34, 33, 28, 63, 59, 64, 42, 76],
    [30, 52, 40, 46, 12, 49, 36, 29, 25, 73, 65, 32, 38, 29, 33, 42, 77, 23, 27, 39, 31, 49, 52, 65, 56, 51],
    [15, 52, 48, 43, 14, 49, 60, 54, 22, 74, 49, 41, 41, 45, 18, 54, 66, 32, 40, 27, 37, 63, 59, 68, 44, 63],
    [35, 36, 27, 34, 35, 38, 34, 74, 62, 73, 60, 26, 31, 14, 24, 37, 68, 34, 26, 24, 65, 37, 74, 45, 89, 38],
    [21, 55, 35, 41, 15, 44, 55, 49, 33, 50, 35, 44, 48, 50, 20, 36, 55, 41, 26, 49, 18, 47, 48, 55, 45, 55],
    [28, 51, 41, 38, 11, 43, 37, 52, 20, 63, 53, 28, 49, 34, 40, 42, 51, 41, 21, 39, 33, 51, 34, 69, 50, 62],
    [22, 53, 45, 33, 14, 48, 58, 56, 18, 73, 56, 25, 51, 48, 22, 43, 76, 52, 32, 32, 35, 52, 62, 77, 29, 64],
    [17, 35, 53, 42, 13, 54, 66, 59, 24, 74, 52, 39, 35, 47, 23, 21, 73, 53, 32, 41, 35, 60, 67, 74, 47, 74],
    [25, 56, 27, 23, 23, 36, 20, 55, 30, 62, 43, 44, 51, 39, 29, 45, 65, 52, 24, 18, 39, 40, 58, 70, 53, 73],
    [42, 39, 29, 28, 55, 43, 39, 62, 44, 73, 42, 30, 28, 16, 35, 29, 79, 18, 32, 30, 28, 39, 33, 48, 59, 62],
    [19, 56, 43, 45, 18, 42, 53, 42, 28, 85, 54, 24, 53, 51, 23, 30, 64, 19, 34, 27, 35, 58, 53, 73, 35, 82],
    [44, 48, 45, 42, 53, 50, 54, 56, 51, 54, 59, 36, 53, 36, 48, 49, 36, 37, 32, 49, 3, 54, 53, 56, 59, 59],
    [22, 51, 35, 37, 14, 47, 40, 59, 23, 79, 45, 44, 35, 38, 22, 43, 79, 29, 27, 28, 39, 43, 52, 72, 38, 77],
    [34, 57, 31, 48, 16, 48, 49, 31, 23, 70, 44, 38, 45, 47, 32, 31, 54, 48, 25, 15, 28, 53, 50, 65, 38, 72],
    [24, 54, 37, 43, 15, 44, 61, 27, 18, 78, 64, 38, 44, 47, 28, 40, 70, 24, 29, 34, 36, 56, 51, 65, 33, 61],
    [32, 29, 34, 38, 29, 39, 41, 68, 32, 80, 64, 24, 27, 18, 44, 27, 78, 22, 25, 22, 58, 67, 73, 59, 74, 67],
    [16, 48, 43, 60, 7, 48, 50, 55, 19, 73, 65, 53, 40, 50, 34, 48, 66, 48, 45, 52, 54, 48, 54, 61, 62, 62],
    [16, 48, 40, 36, 22, 42, 60, 29, 19, 63, 60, 38, 51, 25, 25, 48, 58, 24, 25, 43, 58, 56, 44, 47, 67, 60],
    [33, 41, 23, 38, 23, 34, 54, 42, 24, 69, 61, 38, 31, 49, 40, 19, 69, 44, 37, 16, 46, 47, 53, 33, 33, 52],
    [41, 41, 35, 37, 28, 35, 45, 50, 30, 69, 61, 33, 30, 23, 36, 16, 55, 34, 22, 22, 49, 43, 40, 61, 44, 45],
    [24, 51, 42, 45, 7, 44, 58, 46, 20, 60, 60, 44, 39, 44, 29, 49, 58, 46, 41, 44, 34, 60, 50, 58, 45, 48],
];

/// Whether letters make a word; what is no letter is overlooked.
pub(super) fn is_word(text: &str) -> bool {
    let letters: Vec<usize> =
        text.bytes().filter(u8::is_ascii_alphabetic).map(|b| usize::from(b.to_ascii_lowercase() - b'a')).collect();
    let pairs = letters.len().saturating_sub(1) as u32;
    if letters.len() <= 2 || is_known(text) {
        return true;
    }
    let rarity: u32 = letters.windows(2).map(|pair| u32::from(PAIRS[pair[0]][pair[1]])).sum();
    rarity <= UNUSUAL * pairs
}

/// Whether it is one of the abbreviations, whatever its case.
pub(super) fn is_known(text: &str) -> bool {
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_letters() {
        for word in [
            "users",
            "attach",
            "usuarios",
            "trabajo",
            "Benutzer",
            "Arbeit",
            "utilisateurs",
            "tache",
            "getquote",
            "jelk",
            "webhook",
            "https",
            "id",
            "a",
            "Rechnung",
            "produits",
        ] {
            assert!(is_word(word), "{word}");
        }
        for none in ["fdklsd", "ljgdflgjf", "lfdsjd", "erwejre", "sdkjfh", "xkcdq", "kjhgf"] {
            assert!(!is_word(none), "{none}");
        }
    }
}
