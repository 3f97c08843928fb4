//! The client with the SDK for Rust: the demo's shop, which speaks gRPC and HTTP at once.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    demo_service::main()
}
