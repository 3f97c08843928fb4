//! Requests decoded as prost messages, for stages that edit.

use corten_proto::otlp::collector::{
    ExportLogsServiceRequest, ExportMetricsServiceRequest, ExportProfilesServiceRequest, ExportTraceServiceRequest,
};
use prost::Message as _;

use super::SignalKind;

/// A decoded request of any signal.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Metrics.
    Metrics(ExportMetricsServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
    /// Profiles.
    Profiles(ExportProfilesServiceRequest),
}

impl Message {
    /// Decodes a request. Fields that the specification does not have are left out.
    ///
    /// # Errors
    /// The bytes are not such a request; what passed the door always is.
    pub fn decode(kind: SignalKind, bytes: impl bytes::Buf) -> Result<Self, prost::DecodeError> {
        Ok(match kind {
            SignalKind::Traces => Self::Traces(ExportTraceServiceRequest::decode(bytes)?),
            SignalKind::Metrics => Self::Metrics(ExportMetricsServiceRequest::decode(bytes)?),
            SignalKind::Logs => Self::Logs(ExportLogsServiceRequest::decode(bytes)?),
            SignalKind::Profiles => Self::Profiles(ExportProfilesServiceRequest::decode(bytes)?),
        })
    }

    /// Encodes it.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Traces(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
            Self::Logs(request) => request.encode_to_vec(),
            Self::Profiles(request) => request.encode_to_vec(),
        }
    }

    /// Its signal.
    pub fn kind(&self) -> SignalKind {
        match self {
            Self::Traces(_) => SignalKind::Traces,
            Self::Metrics(_) => SignalKind::Metrics,
            Self::Logs(_) => SignalKind::Logs,
            Self::Profiles(_) => SignalKind::Profiles,
        }
    }
}
