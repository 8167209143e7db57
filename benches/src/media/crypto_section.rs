//! The section of [`srtp_crypto`]: its figures with aims.

use anyhow::{Context as _, Result};
use media_core::srtp::profile::Suite;
use serde_json::json;

use super::lab::Lab;
use super::report::{Aim, Section, rounded, short};
use super::srtp_crypto::{self, Figures};
use super::{Objects, Options};

pub fn measure(_lab: &Lab, _objects: &Objects, options: &Options) -> Result<Section> {
    let figures = srtp_crypto::measure(options.is_quick)?;
    let usual = figures
        .suites
        .get(Suite::AesCm128HmacSha1_80.name())
        .context("the usual suite was not measured")?;
    let of = |ours: f64, peer: Option<f64>| ours / peer.unwrap_or(f64::NAN);
    let mut aims = vec![
        Aim::at_most(
            "srtp_crypto.ratio_libsrtp2_protect",
            0.2,
            of(usual.protect_ns, usual.libsrtp2_protect_ns),
        ),
        Aim::at_most(
            "srtp_crypto.ratio_libsrtp2_unprotect",
            0.2,
            of(usual.unprotect_ns, usual.libsrtp2_unprotect_ns),
        ),
        Aim::at_most(
            "srtp_crypto.ratio_webrtc_srtp_protect",
            0.8,
            of(usual.protect_ns, usual.webrtc_srtp_protect_ns),
        ),
        Aim::at_most(
            "srtp_crypto.ratio_webrtc_srtp_unprotect",
            0.8,
            of(usual.unprotect_ns, usual.webrtc_srtp_unprotect_ns),
        ),
    ];
    aims.push(Aim::at_most(
        "srtp_crypto.ratio_batch32_protect",
        1.0,
        usual.batch32_protect_ns.unwrap_or(f64::NAN) / usual.protect_ns,
    ));
    let mut values = json!({});
    let mut lines = Vec::new();
    for (name, figures) in &figures.suites {
        values[*name] = suite(figures);
        let beside = |what: &str, ours: f64, peer: Option<f64>| {
            peer.map_or(String::new(), |peer| {
                format!("  {what} {} ({} ns)", short(ours / peer), short(peer))
            })
        };
        lines.push(format!(
            "{name:24} protect {} ns{}{}{}  unprotect {} ns",
            short(figures.protect_ns),
            beside(
                "/ libsrtp2",
                figures.protect_ns,
                figures.libsrtp2_protect_ns
            ),
            beside(
                "/ webrtc-srtp",
                figures.protect_ns,
                figures.webrtc_srtp_protect_ns
            ),
            figures
                .batch32_protect_ns
                .map_or(String::new(), |ns| format!(
                    "  in batches of 32: {} ns",
                    short(ns)
                )),
            short(figures.unprotect_ns),
        ));
    }
    Ok(Section {
        key: "srtp_crypto",
        values,
        lines,
        aims,
    })
}

fn suite(figures: &Figures) -> serde_json::Value {
    let all = [
        ("protect_ns", Some(figures.protect_ns)),
        ("unprotect_ns", Some(figures.unprotect_ns)),
        ("batch32_protect_ns", figures.batch32_protect_ns),
        ("batch32_unprotect_ns", figures.batch32_unprotect_ns),
        ("libsrtp2_protect_ns", figures.libsrtp2_protect_ns),
        ("libsrtp2_unprotect_ns", figures.libsrtp2_unprotect_ns),
        ("webrtc_srtp_protect_ns", figures.webrtc_srtp_protect_ns),
        ("webrtc_srtp_unprotect_ns", figures.webrtc_srtp_unprotect_ns),
    ];
    all.into_iter()
        .map(|(name, ns)| (name.to_owned(), ns.map_or(serde_json::Value::Null, rounded)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
