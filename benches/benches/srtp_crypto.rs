//! Prints `srtp_crypto` alone, as JSON; `--quick` with fewer rounds.

fn main() -> anyhow::Result<()> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let figures = trunkline_benches::media::srtp_crypto::measure(quick)?;
    println!("{}", serde_json::to_string_pretty(&figures)?);
    Ok(())
}
