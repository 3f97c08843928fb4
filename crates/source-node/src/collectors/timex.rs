//! `timex`: how well the kernel's clock is kept.

use std::io::ErrorKind;

use rtime_clock::adjtime::{Timex, adjtimex};

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::roots::Roots;

/// What the call answers where no server is followed.
const TIME_ERROR: i32 = 5;
/// With this bit, times are in nanoseconds, else in microseconds.
const STA_NANO: i32 = 0x2000;
const MICROSECONDS: f64 = 1e6;
/// Frequencies are in millionths, over 65536.
const FRACTION: f64 = 1e6 * 65536.0;

pub(super) fn collect(_: &Roots, out: &mut Families) -> Outcome {
    // Without modes it only reads.
    let mut clock = Timex::new();
    let state = adjtimex(&mut clock).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => Failure::no_data("the kernel does not let us read its clock's state"),
        _ => Failure::new(format!("adjtimex: {error}")),
    })?;
    let clock = clock.0;
    let unit = if clock.status & STA_NANO == 0 { MICROSECONDS } else { 1e9 };
    let gauges = [
        ("sync_status", "Whether a server is followed.", f64::from(u8::from(state != TIME_ERROR))),
        ("offset_seconds", "How far the clock is off.", clock.offset as f64 / unit),
        ("frequency_adjustment_ratio", "How much faster the clock is made.", 1.0 + clock.freq as f64 / FRACTION),
        ("maxerror_seconds", "How far the clock may be off.", clock.maxerror as f64 / MICROSECONDS),
        ("estimated_error_seconds", "How far the clock is probably off.", clock.esterror as f64 / MICROSECONDS),
        ("status", "Bits of the clock's state.", f64::from(clock.status)),
        ("loop_time_constant", "How quickly the clock is led.", clock.constant as f64),
        ("tick_seconds", "Time between two ticks.", clock.tick as f64 / MICROSECONDS),
        ("pps_frequency_hertz", "Frequency of the pulse.", clock.ppsfreq as f64 / FRACTION),
        ("pps_jitter_seconds", "Jitter of the pulse.", clock.jitter as f64 / unit),
        ("pps_shift_seconds", "Length of the pulse's interval.", f64::from(clock.shift)),
        ("pps_stability_hertz", "How stable the pulse is.", clock.stabil as f64 / FRACTION),
        ("tai_offset_seconds", "How far TAI is ahead of UTC.", f64::from(clock.tai)),
    ];
    for (metric, help, value) in gauges {
        out.gauge(&format!("node_timex_{metric}"), help, &[], value);
    }
    let counters = [
        ("pps_jitter_total", "How often the pulse's jitter was too large.", clock.jitcnt),
        ("pps_calibration_total", "Intervals of calibration.", clock.calcnt),
        ("pps_error_total", "Errors of calibration.", clock.errcnt),
        ("pps_stability_exceeded_total", "How often the pulse was not stable.", clock.stbcnt),
    ];
    for (metric, help, value) in counters {
        out.counter(&format!("node_timex_{metric}"), help, &[], value);
    }
    Ok(())
}
