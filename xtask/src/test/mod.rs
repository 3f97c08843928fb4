//! `cargo xtask test`
pub(crate) const USAGE: &str = "";
pub(crate) fn run(_: &mut lexopt::Parser) -> anyhow::Result<()> {
    Ok(())
}
