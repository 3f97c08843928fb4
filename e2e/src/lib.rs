//! What the tests of this package share: requests in a form that can be compared.

mod normal;

pub use normal::{Telemetry, telemetry};
