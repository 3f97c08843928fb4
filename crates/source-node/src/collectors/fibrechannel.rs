//! `fibrechannel`: host adapters of storage networks.

use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// Files of the statistics, in hexadecimal.
const COUNTERS: &[(&str, &str, &str)] = &[
    ("dumped_frames", "dumped_frames_total", "Frames dumped."),
    ("error_frames", "error_frames_total", "Frames with errors."),
    ("invalid_crc_count", "invalid_crc_total", "Frames whose checksum was wrong."),
    ("rx_frames", "rx_frames_total", "Frames received."),
    ("rx_words", "rx_words_total", "Words received."),
    ("tx_frames", "tx_frames_total", "Frames sent."),
    ("tx_words", "tx_words_total", "Words sent."),
    ("seconds_since_last_reset", "seconds_since_last_reset_total", "Seconds since the counters were reset."),
    ("invalid_tx_word_count", "invalid_tx_words_total", "Invalid words sent."),
    ("link_failure_count", "link_failure_total", "How often the link failed."),
    ("loss_of_sync_count", "loss_of_sync_total", "How often synchronisation was lost."),
    ("loss_of_signal_count", "loss_of_signal_total", "How often the signal was lost."),
    ("nos_count", "nos_total", "How often the other side was not operational."),
    ("fcp_packet_aborts", "fcp_packet_aborts_total", "Packets aborted."),
];

/// Labels, their files, and whether `0x` in front is cut off.
const LABELS: &[(&str, &str, bool)] = &[
    ("dev_loss_tmo", "dev_loss_tmo", false),
    ("fabric_name", "fabric_name", true),
    ("port_id", "port_id", true),
    ("port_name", "port_name", true),
    ("port_state", "port_state", false),
    ("port_type", "port_type", false),
    ("speed", "speed", false),
    ("supported_classes", "supported_classes", false),
    ("supported_speeds", "supported_speeds", false),
    ("symbolic_name", "symbolic_name", false),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/fc_host");
    for host in files::list(&root)? {
        adapter(&root.join(&host), &host, out)?;
    }
    Ok(())
}

fn adapter(dir: &Path, host: &str, out: &mut Families) -> Outcome {
    let mut values = Vec::with_capacity(LABELS.len());
    for (_, file, cut) in LABELS {
        let text = match files::attribute(dir.join(file)) {
            Err(error) if error.is_absent() => String::new(),
            other => other?,
        };
        values.push(if *cut { text.get(2..).unwrap_or(&text).to_owned() } else { text });
    }
    let mut labels: Vec<_> = LABELS.iter().zip(&values).map(|((label, ..), value)| (*label, &**value)).collect();
    labels.push(("fc_host", host));
    out.gauge("node_fibrechannel_info", "A host adapter.", &labels, 1);
    let state = labels.iter().find(|(label, _)| *label == "port_state").map_or("", |(_, value)| *value);
    // A port that is switched off has no statistics.
    let off = matches!(state, "" | "Unknown");
    for (file, metric, help) in COUNTERS {
        let value = match files::optional(dir.join("statistics").join(file))? {
            _ if off => 0,
            None => continue,
            Some(text) => {
                let number = parse::c_number(&text).and_then(|value| u64::try_from(value).ok());
                number.ok_or_else(|| Failure::new(format!("{host}/statistics/{file}: {text:?} is no number")))?
            }
        };
        // What the adapter does not count.
        if value != u64::MAX {
            out.counter(&format!("node_fibrechannel_{metric}"), help, &[("fc_host", host)], value);
        }
    }
    Ok(())
}
