//! `nfs` and `nfsd`: clients and server of that file system.

use crate::collector::{Failure, Outcome};
use crate::families::{Families, Kind};
use crate::files;
use crate::parse;
use crate::roots::Roots;

const V2: [&str; 18] = [
    "Null", "GetAttr", "SetAttr", "Root", "Lookup", "ReadLink", "Read", "WrCache", "Write", "Create", "Remove",
    "Rename", "Link", "SymLink", "MkDir", "RmDir", "ReadDir", "FsStat",
];
const V3: [&str; 22] = [
    "Null",
    "GetAttr",
    "SetAttr",
    "Lookup",
    "Access",
    "ReadLink",
    "Read",
    "Write",
    "Create",
    "MkDir",
    "SymLink",
    "MkNod",
    "Remove",
    "RmDir",
    "Rename",
    "Link",
    "ReadDir",
    "ReadDirPlus",
    "FsStat",
    "FsInfo",
    "PathConf",
    "Commit",
];
const CLIENT_V4: [&str; 59] = [
    "Null",
    "Read",
    "Write",
    "Commit",
    "Open",
    "OpenConfirm",
    "OpenNoattr",
    "OpenDowngrade",
    "Close",
    "Setattr",
    "FsInfo",
    "Renew",
    "SetClientID",
    "SetClientIDConfirm",
    "Lock",
    "Lockt",
    "Locku",
    "Access",
    "Getattr",
    "Lookup",
    "LookupRoot",
    "Remove",
    "Rename",
    "Link",
    "Symlink",
    "Create",
    "Pathconf",
    "StatFs",
    "ReadLink",
    "ReadDir",
    "ServerCaps",
    "DelegReturn",
    "GetACL",
    "SetACL",
    "FsLocations",
    "ReleaseLockowner",
    "Secinfo",
    "FsidPresent",
    "ExchangeID",
    "CreateSession",
    "DestroySession",
    "Sequence",
    "GetLeaseTime",
    "ReclaimComplete",
    "GetDeviceInfo",
    "LayoutGet",
    "LayoutCommit",
    "LayoutReturn",
    "SecinfoNoName",
    "TestStateID",
    "FreeStateID",
    "GetDeviceList",
    "BindConnToSession",
    "DestroyClientID",
    "Seek",
    "Allocate",
    "DeAllocate",
    "LayoutStats",
    "Clone",
];
/// The first three have no meaning; what is called "" is not shown.
const SERVER_V4: [&str; 40] = [
    "",
    "",
    "",
    "Access",
    "Close",
    "Commit",
    "Create",
    "DelegPurge",
    "DelegReturn",
    "GetAttr",
    "GetFH",
    "Link",
    "Lock",
    "Lockt",
    "Locku",
    "Lookup",
    "LookupRoot",
    "Nverify",
    "Open",
    "OpenAttr",
    "OpenConfirm",
    "OpenDgrd",
    "PutFH",
    "",
    "",
    "Read",
    "ReadDir",
    "ReadLink",
    "Remove",
    "Rename",
    "Renew",
    "RestoreFH",
    "SaveFH",
    "SecInfo",
    "SetAttr",
    "SetClientID",
    "SetClientIDConfirm",
    "Verify",
    "Write",
    "RelLockOwner",
];

/// Where a number stands, its metric, its labels, what it means.
type Field = (&'static str, usize, &'static str, Kind, &'static [(&'static str, &'static str)], &'static str);

const CLIENT: &[Field] = &[
    ("net", 1, "packets_total", Kind::Counter, &[("protocol", "udp")], "Packets by protocol."),
    ("net", 2, "packets_total", Kind::Counter, &[("protocol", "tcp")], "Packets by protocol."),
    ("net", 3, "connections_total", Kind::Counter, &[], "TCP connections."),
    ("rpc", 0, "rpcs_total", Kind::Counter, &[], "Calls."),
    ("rpc", 1, "rpc_retransmissions_total", Kind::Counter, &[], "Calls sent again."),
    ("rpc", 2, "rpc_authentication_refreshes_total", Kind::Counter, &[], "Authentications refreshed."),
];

const SERVER: &[Field] = &[
    ("rc", 0, "reply_cache_hits_total", Kind::Counter, &[], "Answers found in the cache."),
    ("rc", 1, "reply_cache_misses_total", Kind::Counter, &[], "Answers not found in the cache."),
    ("rc", 2, "reply_cache_nocache_total", Kind::Counter, &[], "Answers that are not cached."),
    ("fh", 0, "file_handles_stale_total", Kind::Counter, &[], "Stale file handles."),
    ("io", 0, "disk_bytes_read_total", Kind::Counter, &[], "Bytes read."),
    ("io", 1, "disk_bytes_written_total", Kind::Counter, &[], "Bytes written."),
    ("th", 0, "server_threads", Kind::Gauge, &[], "Threads of the server."),
    ("ra", 0, "read_ahead_cache_size_blocks", Kind::Gauge, &[], "Size of the cache for reading ahead."),
    ("ra", 11, "read_ahead_cache_not_found_total", Kind::Counter, &[], "What that cache did not have."),
    ("net", 1, "packets_total", Kind::Counter, &[("proto", "udp")], "Packets by protocol."),
    ("net", 2, "packets_total", Kind::Counter, &[("proto", "tcp")], "Packets by protocol."),
    ("net", 3, "connections_total", Kind::Counter, &[], "TCP connections."),
    ("rpc", 2, "rpc_errors_total", Kind::Counter, &[("error", "fmt")], "Wrong calls by error."),
    ("rpc", 3, "rpc_errors_total", Kind::Counter, &[("error", "auth")], "Wrong calls by error."),
    ("rpc", 4, "rpc_errors_total", Kind::Counter, &[("error", "cInt")], "Wrong calls by error."),
    ("rpc", 0, "server_rpcs_total", Kind::Counter, &[], "Calls."),
];

pub(super) fn collect_client(roots: &Roots, out: &mut Families) -> Outcome {
    let lines = Lines::parse(&files::read(roots.proc("net/rpc/nfs"))?)?;
    lines.fields("node_nfs", CLIENT, out);
    lines.requests("node_nfs", "proc2", "2", &V2, &[], out)?;
    lines.requests("node_nfs", "proc3", "3", &V3, &[], out)?;
    lines.requests("node_nfs", "proc4", "4", &CLIENT_V4, &[], out)
}

pub(super) fn collect_server(roots: &Roots, out: &mut Families) -> Outcome {
    let lines = Lines::parse(&files::read(roots.proc("net/rpc/nfsd"))?)?;
    lines.fields("node_nfsd", SERVER, out);
    lines.requests("node_nfsd", "proc2", "2", &V2, &["Null"], out)?;
    lines.requests("node_nfsd", "proc3", "3", &V3, &["Null"], out)?;
    lines.requests("node_nfsd", "proc4ops", "4", &SERVER_V4, &[""], out)?;
    let delegated = lines.of("wdeleg_getattr").first().copied().unwrap_or(0);
    add("node_nfsd", "4", "WdelegGetattr", delegated, out);
    Ok(())
}

/// Each line has a name and numbers.
pub(super) struct Lines(Vec<(String, Vec<u64>)>);

impl Lines {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let mut lines = Vec::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            // After the first two numbers of this line stand fractions of seconds.
            let count = if name == "th" { 2 } else { usize::MAX };
            let numbers = words.take(count).map(|word| parse::number(word, format_args!("net/rpc: {name}")));
            lines.push((name.to_owned(), numbers.collect::<Result<_, _>>()?));
        }
        Ok(Self(lines))
    }

    fn of(&self, name: &str) -> &[u64] {
        self.0.iter().find(|(found, _)| found == name).map_or(&[], |(_, numbers)| numbers)
    }

    fn fields(&self, prefix: &str, fields: &[Field], out: &mut Families) {
        for (line, place, metric, kind, labels, help) in fields {
            let value = self.of(line).get(*place).copied().unwrap_or(0);
            out.sample(*kind, &format!("{prefix}_{metric}"), help, labels, value);
        }
    }

    /// The first number says how many follow; kernels differ in how many they have.
    fn requests(
        &self,
        prefix: &str,
        line: &str,
        version: &str,
        methods: &[&str],
        hidden: &[&str],
        out: &mut Families,
    ) -> Outcome {
        let numbers = self.of(line);
        let (count, values) = numbers.split_first().map_or((0, &[][..]), |(count, values)| (*count, values));
        if usize::try_from(count) != Ok(values.len()) {
            return Err(Failure::new(format!("net/rpc: {line} has not as many numbers as it says")));
        }
        for (place, method) in methods.iter().enumerate().filter(|(_, method)| !hidden.contains(method)) {
            add(prefix, version, method, values.get(place).copied().unwrap_or(0), out);
        }
        Ok(())
    }
}

fn add(prefix: &str, version: &str, method: &str, value: u64, out: &mut Families) {
    let labels = [("method", method), ("proto", version)];
    out.counter(&format!("{prefix}_requests_total"), "Requests by version and method.", &labels, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_has_as_many_numbers_as_it_says() {
        let lines = Lines::parse("proc4 2 7 8\nth 4 0 1.5 2.5\n").unwrap();
        assert_eq!(lines.of("th"), [4, 0]);
        let mut out = Families::new();
        lines.requests("a", "proc4", "4", &["Null", "Read", "Write"], &[], &mut out).unwrap();
        let text = crate::render(&mut [out]);
        assert!(
            text.contains("method=\"Read\",proto=\"4\"} 8\n") && text.contains("method=\"Write\",proto=\"4\"} 0\n")
        );
        let lines = Lines::parse("proc4 3 7 8\n").unwrap();
        assert!(lines.requests("a", "proc4", "4", &[], &[], &mut Families::new()).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(proc4|th|net|[0-9]| |\n|.){0,60}") {
            if let Ok(lines) = Lines::parse(&text) {
                let _ = lines.requests("a", "proc4", "4", &V2, &[], &mut Families::new());
            }
        }
    }
}
