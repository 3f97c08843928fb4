//! Arguments as a file writes them.

use std::time::Duration;

use corten_component::arguments::{Body, ByteSize, decode};
use corten_net::args::TlsServer;
use corten_receiver_otlp::{Http, OtlpArguments, Transport};
use corten_syntax::ast::Statement;
use corten_syntax::{Object, SourceMap, parse};

fn read(text: &str) -> Result<OtlpArguments, Vec<String>> {
    let mut map = SourceMap::default();
    let (file, diagnostics) = parse(&mut map, "test.alloy", &format!("x \"y\" {{\n{text}\n}}"));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let Statement::Block(block) = &file.body[0] else { panic!("a block") };
    let messages = |found: corten_syntax::Diagnostics| found.iter().map(|found| found.message.clone()).collect();
    decode(&Body::evaluate(block, &Object::new()).map_err(messages)?).map_err(messages)
}

#[test]
fn everything_that_alloy_takes_is_taken() {
    let args = read(
        r#"
        grpc {
            endpoint               = "0.0.0.0:4317"
            transport              = "tcp"
            max_recv_msg_size      = "16MiB"
            max_concurrent_streams = 16
            read_buffer_size       = "512KiB"
            write_buffer_size      = "32KiB"
            include_metadata       = true
            keepalive {
                server_parameters {
                    max_connection_idle      = "11s"
                    max_connection_age       = "12s"
                    max_connection_age_grace = "13s"
                    time                     = "30s"
                    timeout                  = "5s"
                }
                enforcement_policy {
                    min_time              = "10s"
                    permit_without_stream = true
                }
            }
        }
        http {
            endpoint              = "0.0.0.0:4318"
            max_request_body_size = "50MiB"
            traces_url_path       = "/traces"
            compression_algorithms = ["", "gzip"]
            idle_timeout = "2m"
            keep_alives_enabled = false
            read_header_timeout = "5s"
            read_timeout = "6s"
            write_timeout = "7s"
            cors {
                allowed_origins = ["*"]
                allowed_headers = ["X"]
                exposed_headers = ["Y"]
                max_age         = 30
            }
            tls {
                cert_file      = "/cert.pem"
                key_file       = "/key.pem"
                client_ca_file = "/ca.pem"
                min_version    = "TLS 1.3"
                reload_interval = "1m"
            }
        }
        debug_metrics {
            disable_high_cardinality_metrics = true
            level = "detailed"
        }
        output {
            metrics = []
            logs    = []
            traces  = []
        }"#,
    )
    .unwrap();
    let (grpc, http) = (args.grpc.unwrap(), args.http.unwrap());
    assert_eq!((grpc.max_recv_msg_size, grpc.transport), (ByteSize::mib(16), Transport::Tcp));
    assert_eq!(grpc.keepalive.server_parameters.max_connection_age_grace, Duration::from_secs(13));
    assert_eq!((http.write_timeout, http.keep_alives_enabled), (Duration::from_secs(7), false));
    let TlsServer { files, client_ca_file } = http.tls.unwrap();
    assert_eq!((files.min_version.as_str(), client_ca_file.as_str()), ("TLS 1.3", "/ca.pem"));
}

#[test]
fn a_written_block_is_a_server_and_no_block_is_none() {
    let args = read("http {}\noutput {}").unwrap();
    assert_eq!((args.http, args.grpc), (Some(Http::default()), None));
}

#[test]
fn mistakes_are_told_all_at_once() {
    for (text, wanted) in [
        ("http {}", "missing required block \"output\""),
        ("http { compression_algorithms = [\"br\"] }\noutput {}", "unsupported compression algorithm"),
        ("grpc { transport = \"unix\" }\noutput {}", "the path of the socket"),
        ("http { tls { cert_file = \"/a\"\ncert_pem = \"b\" } }\noutput {}", "cannot be used together"),
        ("http { tls { cert_file = \"/a\" } }\noutput {}", "the key (key_file or key_pem) is missing"),
        ("http { tls { min_version = \"TLS 1.9\" } }\noutput {}", "unsupported TLS version"),
        ("grpc { max_recv_msg_size = \"4 apples\" }\noutput {}", "is not a size"),
    ] {
        let found = read(text).unwrap_err();
        assert!(found.iter().any(|message| message.contains(wanted)), "{text}: {found:?}");
    }
}
