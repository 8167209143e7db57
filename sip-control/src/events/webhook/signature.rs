//! What proves a body to be ours: an HMAC of the time and the body. A receiver computes the same of
//! what it got, and takes nothing whose time is not now.

use ring::hmac;

/// The value of `Trunkline-Signature`: `t=<seconds since 1970>,v1=<hex of HMAC-SHA-256 of "t.body">`.
pub(super) fn sign(secret: &str, unix_s: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{unix_s}.").as_bytes());
    context.update(body.as_bytes());
    let hex = context
        .sign()
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            hex.push_str(&format!("{byte:02x}"));
            hex
        });
    format!("t={unix_s},v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_3_a_body_is_signed_with_the_time() {
        // printf '1700000000.{"seq":1}' | openssl dgst -sha256 -hmac geheim
        assert_eq!(
            sign("geheim", 1_700_000_000, "{\"seq\":1}"),
            "t=1700000000,v1=394baefa5c803cfc21e5f75f776ea51a6afdfdcbb5d9dac1da6fd03abd29fb30"
        );
    }
}
