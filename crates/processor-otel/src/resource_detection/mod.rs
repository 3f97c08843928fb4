//! `otelcol.processor.resourcedetection`: adds what is known of the machine to resources.

mod arguments;
mod component;
mod environment;
mod host;
mod system;

pub use arguments::{AttributeToggle, ResourceDetectionArguments, SystemArguments, SystemAttributes};
pub use component::ResourceDetection;
pub use environment::parse as parse_environment;
