//! `cargo xtask demo`
pub(crate) const USAGE: &str = "";
pub(crate) fn run(_: &mut lexopt::Parser) -> anyhow::Result<()> {
    Ok(())
}
