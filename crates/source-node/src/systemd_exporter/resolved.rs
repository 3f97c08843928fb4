//! systemd-resolved's statistics.

use zbus::zvariant::Value;

use super::values::number;
use crate::bus::{Bus, BusError};
use crate::families::{Families, Kind};

const NAME: &str = "org.freedesktop.resolve1";
const PATH: &str = "/org/freedesktop/resolve1";
const MANAGER: &str = "org.freedesktop.resolve1.Manager";

type Row = (Kind, &'static str, &'static str);

const CACHE: [Row; 3] = [
    (Kind::Gauge, "systemd_resolved_current_cache_size", "Entries in the cache."),
    (Kind::Counter, "systemd_resolved_cache_hits_total", "Look-ups that the cache answered."),
    (Kind::Counter, "systemd_resolved_cache_misses_total", "Look-ups that the cache could not answer."),
];
const TRANSACTIONS: [Row; 2] = [
    (Kind::Gauge, "systemd_resolved_current_transactions", "Look-ups under way."),
    (Kind::Counter, "systemd_resolved_transactions_total", "Look-ups."),
];
const DNSSEC: [Row; 4] = [
    (Kind::Counter, "systemd_resolved_dnssec_secure_total", "Answers that DNSSEC proves."),
    (Kind::Counter, "systemd_resolved_dnssec_insecure_total", "Answers that are not signed."),
    (Kind::Counter, "systemd_resolved_dnssec_bogus_total", "Answers that DNSSEC disproves."),
    (Kind::Counter, "systemd_resolved_dnssec_indeterminate_total", "Answers of which DNSSEC cannot tell."),
];

/// Adds the statistics.
pub(super) async fn collect(out: &mut Families, bus: &Bus) -> Result<(), BusError> {
    let (cache, transactions, dnssec) = tokio::try_join!(
        bus.property(NAME, PATH, MANAGER, "CacheStatistics"),
        bus.property(NAME, PATH, MANAGER, "TransactionStatistics"),
        bus.property(NAME, PATH, MANAGER, "DNSSECStatistics"),
    )?;
    add(out, &CACHE, &cache);
    add(out, &TRANSACTIONS, &transactions);
    add(out, &DNSSEC, &dnssec);
    Ok(())
}

fn add(out: &mut Families, rows: &[Row], value: &Value<'_>) {
    let Value::Structure(values) = value else { return };
    for ((kind, family, help), value) in rows.iter().zip(values.fields()) {
        if let Some(value) = number(value) {
            out.sample(*kind, family, help, &[], value);
        }
    }
}
