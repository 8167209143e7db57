//! What an operator reads when a trunk is wrong.

use crate::config::{Mistake, assert_mistakes};

#[test]
fn every_mistake_in_a_trunk_is_one_line_with_file_key_and_what_is_expected() {
    let cases: [Mistake; 35] = [
        (
            "secure = \"srtp\"",
            "secure = \"yes\"",
            ":32:10: trunks[0].secure (carrier): \"yes\" is unknown; expected disabled, tls or srtp",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nlistener = \"udp\"",
            ":33:12: trunks[0].listener (carrier): listener \"udp\" is not tls; expected one that fits the trunk",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nlistener = \"wire\"",
            ":33:12: trunks[0].listener (carrier): unknown listener \"wire\"; expected one of: udp, tls",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nsuites = [\"NULL\"]",
            ":33:11: trunks[0].suites[0] (carrier): unknown suite \"NULL\"; expected one of: AES_CM_128_HMAC_SHA1_80, AES_CM_128_HMAC_SHA1_32, \
             AES_256_CM_HMAC_SHA1_80, AES_256_CM_HMAC_SHA1_32, AEAD_AES_128_GCM, AEAD_AES_256_GCM",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nverify = \"none\"",
            ":33:10: trunks[0].verify (carrier): \"none\" is unknown; expected strict, wildcard, pin or off",
        ),
        (
            "acl = [\"127.0.0.2\"]",
            "acl = [\"127.0.0.2/24\"]",
            ":33:8: trunks[0].acl[0] (carrier): \"127.0.0.2/24\" has bits beyond its prefix; expected 127.0.0.0/24 or 127.0.0.2",
        ),
        (
            "sip:carrier.example",
            "carrier.example",
            ":34:15: trunks[0].destination (carrier): \"carrier.example\" is not a SIP URI; expected sip:HOST[:PORT][;transport=udp|tcp|tls]",
        ),
        (
            "sip:carrier.example",
            "sip:[::1]",
            ":32:10: trunks[0].secure (carrier): a secure trunk needs a TLS listener; expected one with transport = \"tls\"",
        ),
        (
            "sip:127.0.0.3:5070",
            "sips:127.0.0.3",
            ":39:15: trunks[1].destination (pbx): \"sips:127.0.0.3\" is TLS, but the trunk is not secure; expected secure = \"tls\" or \"srtp\"",
        ),
        (
            "sip:127.0.0.3:5070",
            "sip:127.0.0.3;transport=ws",
            ":39:15: trunks[1].destination (pbx): unknown transport \"ws\"; expected udp, tcp or tls",
        ),
        (
            "sip:127.0.0.3:5070",
            "sip:127.0.0.3;transport=tcp",
            ":39:15: trunks[1].destination (pbx): no listener fits; expected one with transport = \"tcp\"",
        ),
        (
            "dscp = 46",
            "dscp = 64",
            ":40:8: trunks[1].dscp (pbx): 64 is not a DSCP; expected 0-63",
        ),
        (
            "dscp = 46",
            "domains = [\"10.0.0.1\"]",
            ":40:12: trunks[1].domains[0] (pbx): \"10.0.0.1\" is not a host name",
        ),
        (
            "dscp = 46",
            "suites = [\"AES_CM_128_HMAC_SHA1_80\"]",
            ":40:10: trunks[1].suites (pbx): is only for secure = \"srtp\"",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nverify = \"pin\"",
            ":30:1: trunks[0].pins (carrier): missing; verify = \"pin\" needs the SHA-256 of the peer's public key",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nverify = \"pin\"\npins = [\"sha256/AAAA\"]",
            ":34:9: trunks[0].pins[0] (carrier): \"sha256/AAAA\" is not a pin; expected the SHA-256 of a public key",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\npins = [\"AAAA\"]",
            ":33:8: trunks[0].pins (carrier): is only for verify = \"pin\"",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nclient_certificate = \"DIR/edge.crt\"",
            ":30:1: trunks[0].client_key (carrier): missing; a certificate and its key go together",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nclient_certificate = \"DIR/edge.crt\"\nclient_key = \"DIR/other.key\"",
            ":34:14: trunks[0].client_key (carrier): DIR/other.key is not the key of DIR/edge.crt; expected the private key of that certificate",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nclient_names = [\"a.example\"]",
            ":33:16: trunks[0].client_names (carrier): no TLS listener of the trunk's realm asks for certificates; expected one with client_ca",
        ),
        (
            "secure = \"srtp\"",
            "secure = \"srtp\"\nserver_name_mismatch = \"ignore\"",
            ":33:24: trunks[0].server_name_mismatch (carrier): \"ignore\" is unknown; expected log or refuse",
        ),
        (
            "key = \"DIR/edge.key\"",
            "key = \"DIR/edge.key\"\ncertificates = [{ key = \"DIR/edge.key\", certificate = \"DIR/other.crt\" }]",
            ":20:25: listeners[1].certificates[0].key (tls): DIR/edge.key is not the key of DIR/other.crt; expected the private key of that certificate",
        ),
        (
            "key = \"DIR/edge.key\"",
            "key = \"DIR/edge.key\"\nclient_auth = \"optional\"",
            ":13:1: listeners[1].client_ca (tls): missing; client_auth needs the roots of the clients' certificates",
        ),
        (
            "ca = \"DIR/ca.crt\"",
            "ca = \"DIR/ca.crt\"\nkey_log = \"DIR/none/keys\"",
            ":29:11: tls.key_log: DIR/none/keys cannot be written: No such file or directory",
        ),
        (
            "dscp = 46",
            "verify = \"off\"",
            ":40:10: trunks[1].verify (pbx): is only for secure = \"tls\" or \"srtp\"",
        ),
        (
            "dscp = 46",
            "sips = \"pass\"",
            ":40:8: trunks[1].sips (pbx): \"pass\" is only for secure = \"tls\" or \"srtp\"",
        ),
        (
            "acl = [\"127.0.0.2\"]",
            "t38 = true",
            ":33:7: trunks[0].t38 (carrier): true is not for secure = \"srtp\": T.38 would be in the clear",
        ),
        (
            "dscp = 46",
            "refer = \"on\"",
            ":40:9: trunks[1].refer (pbx): \"on\" is unknown; expected off, pass or local",
        ),
        (
            "dscp = 46",
            "session_timer = \"off\"",
            ":40:17: trunks[1].session_timer (pbx): \"off\" is unknown; expected on or strip",
        ),
        (
            "dscp = 46",
            "session_expires = \"60s\"",
            ":40:19: trunks[1].session_expires (pbx): 60 s is out of range; expected 90-86400 s",
        ),
        (
            "dscp = 46",
            "session_expires = \"10m\"\nmin_se = \"20m\"",
            ":40:19: trunks[1].session_expires (pbx): 600 s is below min_se; expected 1200 s or more",
        ),
        (
            "dscp = 46",
            "min_se = \"90\"",
            ":40:10: trunks[1].min_se (pbx): \"90\" is not a time; expected a number and ms, s, m or h, like \"60s\"",
        ),
        (
            "dscp = 46",
            "session_timer = \"strip\"\nmin_se = \"90s\"",
            ":41:10: trunks[1].min_se (pbx): is only for session_timer = \"on\"",
        ),
        (
            "acl = [\"127.0.0.2\"]",
            "opportunistic = true",
            ":33:17: trunks[0].opportunistic (carrier): true is only for secure = \"tls\": \"disabled\" would send keys in the clear, \"srtp\" requires SRTP",
        ),
        (
            "dscp = 46",
            "opportunistic = true",
            ":40:17: trunks[1].opportunistic (pbx): true is only for secure = \"tls\"",
        ),
    ];
    assert_mistakes(&cases);
}
