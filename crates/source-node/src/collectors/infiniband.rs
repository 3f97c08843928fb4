//! `infiniband`: adapters and ports of that network.

use std::path::Path;

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// A file, its metric, its unit, what it means.
type Field = (&'static str, &'static str, u64, &'static str);

/// Data is counted for each of four lanes.
const COUNTERS: &[Field] = &[
    ("excessive_buffer_overrun_errors", "excessive_buffer_overrun_errors_total", 1, "Buffer overruns in a row."),
    ("link_downed", "link_downed_total", 1, "How often the link went down."),
    ("link_error_recovery", "link_error_recovery_total", 1, "How often the link recovered."),
    ("local_link_integrity_errors", "local_link_integrity_errors_total", 1, "Physical errors beyond the threshold."),
    ("multicast_rcv_packets", "multicast_packets_received_total", 1, "Multicast packets received."),
    ("multicast_xmit_packets", "multicast_packets_transmitted_total", 1, "Multicast packets sent."),
    ("port_rcv_constraint_errors", "port_constraint_errors_received_total", 1, "Packets discarded by the switch."),
    ("port_rcv_data", "port_data_received_bytes_total", 4, "Bytes received."),
    ("port_rcv_discards", "port_discards_received_total", 1, "Packets discarded on their way in."),
    ("port_rcv_errors", "port_errors_received_total", 1, "Packets received with an error."),
    ("port_rcv_packets", "port_packets_received_total", 1, "Packets received."),
    ("port_rcv_remote_physical_errors", "port_receive_remote_physical_errors_total", 1, "Packets marked as bad."),
    ("port_rcv_switch_relay_errors", "port_receive_switch_relay_errors_total", 1, "Packets the switch did not relay."),
    ("port_xmit_constraint_errors", "port_constraint_errors_transmitted_total", 1, "Packets not sent by the switch."),
    ("port_xmit_data", "port_data_transmitted_bytes_total", 4, "Bytes sent."),
    ("port_xmit_discards", "port_discards_transmitted_total", 1, "Packets discarded on their way out."),
    ("port_xmit_packets", "port_packets_transmitted_total", 1, "Packets sent."),
    ("port_xmit_wait", "port_transmit_wait_total", 1, "Ticks in which data waited to be sent."),
    ("symbol_error", "symbol_error_total", 1, "Small errors of the link."),
    ("unicast_rcv_packets", "unicast_packets_received_total", 1, "Unicast packets received."),
    ("unicast_xmit_packets", "unicast_packets_transmitted_total", 1, "Unicast packets sent."),
    ("VL15_dropped", "vl15_dropped_total", 1, "Management packets dropped."),
];

/// Of kernels before 4.5.
const LEGACY: &[Field] = &[
    ("port_multicast_rcv_packets", "legacy_multicast_packets_received_total", 1, "Multicast packets received."),
    ("port_multicast_xmit_packets", "legacy_multicast_packets_transmitted_total", 1, "Multicast packets sent."),
    ("port_rcv_data_64", "legacy_data_received_bytes_total", 4, "Bytes received."),
    ("port_rcv_packets_64", "legacy_packets_received_total", 1, "Packets received."),
    ("port_unicast_rcv_packets", "legacy_unicast_packets_received_total", 1, "Unicast packets received."),
    ("port_unicast_xmit_packets", "legacy_unicast_packets_transmitted_total", 1, "Unicast packets sent."),
    ("port_xmit_data_64", "legacy_data_transmitted_bytes_total", 4, "Bytes sent."),
    ("port_xmit_packets_64", "legacy_packets_transmitted_total", 1, "Packets sent."),
];

const HARDWARE: &[Field] = &[
    ("duplicate_request", "duplicate_requests_packets_total", 1, "Requests received again."),
    ("implied_nak_seq_err", "implied_nak_seq_errors_total", 1, "Answers with a sequence number too large."),
    ("local_ack_timeout_err", "local_ack_timeout_errors_total", 1, "Answers that did not come in time."),
    ("np_cnp_sent", "np_cnp_packets_sent_total", 1, "Notices of congestion sent."),
    ("np_ecn_marked_roce_packets", "np_ecn_marked_roce_packets_received_total", 1, "Packets marked for congestion."),
    ("out_of_buffer", "out_of_buffer_drops_total", 1, "Drops for lack of buffers."),
    ("out_of_sequence", "out_of_sequence_packets_received_total", 1, "Packets out of order."),
    ("packet_seq_err", "packet_sequence_errors_total", 1, "Answers that name an error of sequence."),
    ("req_cqe_error", "req_cqes_errors_total", 1, "Requests that ended with an error."),
    ("req_cqe_flush_error", "req_cqes_flush_errors_total", 1, "Requests that were flushed."),
    ("req_remote_access_errors", "req_remote_access_errors_total", 1, "Requests refused by the other side."),
    ("req_remote_invalid_request", "req_remote_invalid_request_errors_total", 1, "Requests invalid to the other side."),
    ("resp_cqe_error", "resp_cqes_errors_total", 1, "Answers that ended with an error."),
    ("resp_cqe_flush_error", "resp_cqes_flush_errors_total", 1, "Answers that were flushed."),
    ("resp_local_length_error", "resp_local_length_errors_total", 1, "Answers with a wrong length."),
    ("resp_remote_access_errors", "resp_remote_access_errors_total", 1, "Answers refused by the other side."),
    ("rnr_nak_retry_err", "rnr_nak_retry_packets_received_total", 1, "Answers that the receiver was not ready."),
    ("roce_adp_retrans", "roce_adp_retransmits_total", 1, "Adaptive retransmissions."),
    ("roce_adp_retrans_to", "roce_adp_retransmits_timeout_total", 1, "Timeouts by adaptive retransmission."),
    ("roce_slow_restart", "roce_slow_restart_used_total", 1, "How often slow restart was used."),
    ("roce_slow_restart_cnps", "roce_slow_restart_cnps_total", 1, "Notices of congestion by slow restart."),
    ("roce_slow_restart_trans", "roce_slow_restart_total", 1, "How often slow restart began."),
    ("rp_cnp_handled", "rp_cnp_packets_handled_total", 1, "Notices of congestion heeded."),
    ("rp_cnp_ignored", "rp_cnp_ignored_packets_received_total", 1, "Notices of congestion ignored."),
    ("rx_atomic_requests", "rx_atomic_requests_total", 1, "Atomic requests received."),
    ("rx_dct_connect", "rx_dct_connect_requests_total", 1, "Requests to connect received."),
    ("rx_read_requests", "rx_read_requests_total", 1, "Read requests received."),
    ("rx_write_requests", "rx_write_requests_total", 1, "Write requests received."),
    ("rx_icrc_encapsulated", "rx_icrc_encapsulated_errors_total", 1, "Packets whose checksum was wrong."),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("class/infiniband");
    for device in files::list(&root)? {
        let dir = root.join(&device);
        let firmware = files::attribute(dir.join("fw_ver"))?;
        let text = |file: &str| match files::attribute(dir.join(file)) {
            Err(error) if error.is_absent() => Ok(String::new()),
            other => other,
        };
        let (board, hca) = (text("board_id")?, text("hca_type")?);
        let info = [("device", &*device), ("board_id", &*board), ("firmware_version", &*firmware), ("hca_type", &*hca)];
        out.gauge("node_infiniband_info", "An adapter.", &info, 1);
        for port in files::list(dir.join("ports"))? {
            let number: u32 = parse::number(&port, "ports")?;
            self::port(&dir.join("ports").join(&port), &device, &number.to_string(), out)?;
        }
    }
    Ok(())
}

fn port(dir: &Path, device: &str, port: &str, out: &mut Families) -> Outcome {
    let labels = [("device", device), ("port", port)];
    let help = "State of a port: 1 down, 2 initialising, 3 armed, 4 active, 5 active but deferred.";
    out.gauge("node_infiniband_state_id", help, &labels, state(dir, "state")?);
    let help = "Physical state of a port: 1 sleep, 2 polling, 3 off, 4 shift, 5 up, 6 recovering, 7 test.";
    out.gauge("node_infiniband_physical_state_id", help, &labels, state(dir, "phys_state")?);
    let rate = files::attribute(dir.join("rate"))?;
    let gigabits = rate.split_once(' ').and_then(|(number, _)| number.parse::<f32>().ok());
    let gigabits = gigabits.ok_or_else(|| Failure::new(format!("rate: {rate:?} is no rate")))?;
    let help = "The fastest that the port can be.";
    out.gauge("node_infiniband_rate_bytes_per_second", help, &labels, (f64::from(gigabits) * 125e6).trunc());
    counters(&dir.join("counters"), COUNTERS, &labels, out)?;
    counters(&dir.join("counters_ext"), LEGACY, &labels, out)?;
    let hardware = dir.join("hw_counters");
    if let Some(lifespan) = count(&hardware.join("lifespan"))? {
        let help = "How old counters may be when they are read.";
        out.gauge("node_infiniband_lifespan_seconds", help, &labels, lifespan / 1000);
    }
    counters(&hardware, HARDWARE, &labels, out)
}

/// `4: ACTIVE`.
fn state(dir: &Path, file: &str) -> Result<u32, Failure> {
    let text = files::attribute(dir.join(file))?;
    let (number, _) = text.split_once(':').ok_or_else(|| Failure::new(format!("{file}: {text:?} is no state")))?;
    parse::number(number, file)
}

fn counters(dir: &Path, fields: &[Field], labels: &[(&str, &str)], out: &mut Families) -> Outcome {
    for (file, metric, unit, help) in fields {
        if let Some(value) = count(&dir.join(file))? {
            out.counter(&format!("node_infiniband_{metric}"), help, labels, value.wrapping_mul(*unit));
        }
    }
    Ok(())
}

fn count(path: &Path) -> Result<Option<u64>, Failure> {
    match files::optional(path)? {
        None => Ok(None),
        Some(text) if text.contains("N/A (no PMA)") => Ok(None),
        Some(text) => {
            let value = parse::c_number(&text).and_then(|value| u64::try_from(value).ok());
            value.map(Some).ok_or_else(|| Failure::new(format!("{}: {text:?} is no number", path.display())))
        }
    }
}
