//! The shop as a program of its own; everything is in the library.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    demo_service::main()
}
