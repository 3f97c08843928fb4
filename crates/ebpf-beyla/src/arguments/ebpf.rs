//! How to observe.

use std::time::Duration;

use corten_component::{Arguments, Enumeration};

/// Who tells a server which trace its request belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Enumeration)]
pub enum ContextPropagation {
    /// Nobody but the programs themselves; both ends on one machine are joined without it.
    #[default]
    Disabled,
    /// A header that is put into requests (not implemented).
    Headers,
    /// A header and an option of TCP (not implemented).
    #[arg(name = "headers,tcp")]
    HeadersAndTcp,
    /// An option of TCP (not implemented).
    Tcp,
    /// Both (not implemented).
    All,
}

/// `ebpf`. What tunes Beyla's own maps and readers is accepted and has no effect.
#[derive(Debug, Clone, PartialEq, Arguments)]
pub struct EbpfTuning {
    /// After how many records the reader is woken; here it is a number of bytes and a tick, and this has no effect.
    pub wakeup_len: u32,
    /// Accepted and without effect: heads are always read.
    pub track_request_headers: bool,
    /// How long an HTTP/1 request may be without a response before it is told with status 408; 0 is any time.
    pub http_request_timeout: Duration,
    /// Who tells a server which trace its request belongs to.
    pub context_propagation: ContextPropagation,
    /// Observe no more than a share of the requests of services that have very many of them.
    pub high_request_volume: bool,
    /// Accepted and without effect: SQL is not read.
    pub heuristic_sql_detect: bool,
    /// Join requests with nothing but what their own headers say.
    pub disable_black_box_cp: bool,
    /// Accepted and without effect.
    pub batch_length: u32,
    /// Accepted and without effect.
    pub batch_timeout: Duration,
    /// Accepted and without effect.
    pub bpf_debug: bool,
    /// Accepted and without effect.
    pub bpf_fs_path: String,
    /// Accepted and without effect.
    pub couchbase_db_cache_size: u32,
    /// Accepted and without effect.
    pub dns_request_timeout: Duration,
    /// Accepted and without effect.
    pub force_bpf_map_reader: String,
    /// Accepted and without effect.
    pub instrument_cuda: u32,
    /// Accepted and without effect.
    pub kafka_topic_uuid_cache_size: u32,
    /// Accepted and without effect.
    pub max_transaction_time: Duration,
    /// Accepted and without effect.
    pub mongo_requests_cache_size: u32,
    /// Accepted and without effect.
    pub mssql_prepared_statements_cache_size: u32,
    /// Accepted and without effect.
    pub mysql_prepared_statements_cache_size: u32,
    /// Accepted and without effect.
    pub override_bpfloop_enabled: bool,
    /// Accepted and without effect.
    pub postgres_prepared_statements_cache_size: u32,
    /// Accepted and without effect.
    pub protocol_debug_print: bool,
    /// Accepted and without effect.
    pub stats_wakeup_data_bytes: u32,
    /// Accepted and without effect.
    pub traffic_control_backend: String,
    /// Accepted and without effect.
    #[arg(block)]
    pub maps_config: MapsArguments,
    /// Accepted and without effect.
    #[arg(block)]
    pub buffer_sizes: BufferArguments,
}

impl Default for EbpfTuning {
    fn default() -> Self {
        Self {
            wakeup_len: 500,
            track_request_headers: false,
            http_request_timeout: Duration::ZERO,
            context_propagation: ContextPropagation::default(),
            high_request_volume: false,
            heuristic_sql_detect: false,
            disable_black_box_cp: false,
            batch_length: 100,
            batch_timeout: Duration::from_secs(1),
            bpf_debug: false,
            bpf_fs_path: String::new(),
            couchbase_db_cache_size: 0,
            dns_request_timeout: Duration::ZERO,
            force_bpf_map_reader: String::new(),
            instrument_cuda: 0,
            kafka_topic_uuid_cache_size: 0,
            max_transaction_time: Duration::from_secs(300),
            mongo_requests_cache_size: 0,
            mssql_prepared_statements_cache_size: 0,
            mysql_prepared_statements_cache_size: 0,
            override_bpfloop_enabled: false,
            postgres_prepared_statements_cache_size: 0,
            protocol_debug_print: false,
            stats_wakeup_data_bytes: 0,
            traffic_control_backend: String::new(),
            maps_config: MapsArguments::default(),
            buffer_sizes: BufferArguments::default(),
        }
    }
}

/// `ebpf` > `maps_config`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct MapsArguments {
    /// Accepted and without effect.
    pub global_scale_factor: i64,
}

/// `ebpf` > `buffer_sizes`
#[derive(Debug, Clone, Default, PartialEq, Eq, Arguments)]
pub struct BufferArguments {
    /// Accepted and without effect.
    pub http: u32,
    /// Accepted and without effect.
    pub kafka: u32,
    /// Accepted and without effect.
    pub mssql: u32,
    /// Accepted and without effect.
    pub mysql: u32,
    /// Accepted and without effect.
    pub postgres: u32,
    /// Accepted and without effect.
    pub tcp: u32,
}
