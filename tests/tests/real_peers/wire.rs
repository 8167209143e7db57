//! What leaves on the wire, as tshark reads it: TLS opened with the daemon's own key log.

use std::collections::BTreeSet;

use media_core::srtp::profile::Suite;
use trunkline_tests::call::{Live, Script};
use trunkline_tests::edge::EdgeOptions;
use trunkline_tests::lab::{Host, LabOptions, UPLINK};
use trunkline_tests::peer::Directory;
use trunkline_tests::privilege::require_root;
use trunkline_tests::stage::{Party, Stage};
use trunkline_tests::wire::{Recording, Wire};

use crate::support::{House, assert_complete};

/// The number that leads to the secure carrier by a `sips:` URI.
const BY_SIPS: &str = "6400";
const CARRIER: Party = Party::CarrierSecure;
const PBX: Party = Party::PbxPlain;
/// Of the media that we send to each.
const DSCP: [(Host, &str); 2] = [(Host::Carrier, "46"), (Host::Pbx, "34")];
const PACKETS: u32 = 25;
/// RFC 4733 section 3.2: the key 5.
const KEY: u8 = 5;

/// Both directions, with keys pressed by both sides and a hold: what the wire is to tell of.
async fn play(house: &House) {
    let calls = [(PBX, CARRIER, BY_SIPS), (CARRIER, PBX, PBX.number())];
    for (number, (caller, callee, dialled)) in (1..).zip(calls) {
        let script = Script {
            caller,
            callee,
            packets: 0,
            hold: false,
            caller_hangs_up: number == 1,
            suite: Suite::AesCm128HmacSha1_80,
        };
        let call = Live::dial(&house.stage, &house.authority, script, number, dialled).await;
        let mut call =
            call.unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", house.edge().log()));
        call.talk(PACKETS).await.unwrap();
        for agent in [&call.caller, &call.callee] {
            agent.media().press(KEY).await.unwrap();
        }
        let (caller, callee) = (&mut call.caller, &mut call.callee);
        tokio::try_join!(caller.reinvite("sendonly"), callee.accept_reinvite()).unwrap();
        tokio::try_join!(caller.reinvite("sendrecv"), callee.accept_reinvite()).unwrap();
        call.talk(PACKETS).await.unwrap();
        let result = call.hang_up().await.unwrap();
        for counts in &result.counts {
            assert!(!counts.events.is_empty(), "no events: {result:?}");
            assert_eq!(counts.payload_errors, 0, "{result:?}");
        }
    }
    for record in house.records(2) {
        let by = if record["caller"]["trunk"] == PBX.trunk() {
            "caller"
        } else {
            "callee"
        };
        assert_complete(&record, by);
    }
}

/// The two calls, recorded where the carrier is and where the PBX is.
async fn recorded() -> (House, [Wire; 2]) {
    let files = Directory::new("wire").unwrap();
    let keys = files.path().join("keys.log");
    let stage = Stage::lab(LabOptions::default()).unwrap();
    let trunk = format!(
        "[[trunks]]\nname = \"by-sips\"\nsecure = \"srtp\"\nrealm = \"carrier\"\nprobe = \"off\"\ndscp = {}\n\
         destination = \"sips:{}\"\n[[routes]]\nprefix = \"{BY_SIPS}\"\nto = \"by-sips\"\n",
        DSCP[0].1,
        stage.address(CARRIER)
    );
    let options = EdgeOptions {
        trunk_lines: vec![
            (CARRIER, format!("dscp = {}", DSCP[0].1)),
            (PBX, format!("dscp = {}", DSCP[1].1)),
        ],
        tls_lines: format!("key_log = \"{}\"\n", keys.display()),
        extra: trunk,
        ..EdgeOptions::default()
    };
    let house = House::on(stage, files, &options);
    let recordings = DSCP.map(|(side, _)| {
        let name = format!("{side:?}");
        Recording::start(house.namespace(side), UPLINK, &house.files, &name).unwrap()
    });
    play(&house).await;
    let wires = recordings.map(|recording| recording.finish(Some(&keys)).unwrap());
    (house, wires)
}

/// What the edge sends to a side.
fn sent(house: &House, side: Host) -> String {
    format!("ip.src == {}", house.stage.edge_address(side))
}

fn assert_sips_and_addresses_stay_inside(house: &House, side: Host, wire: &Wire) {
    let ours = house.stage.edge_address(side);
    let other_side = match side {
        Host::Pbx => Host::Carrier,
        _ => Host::Pbx,
    };
    let other = house.stage.edge_address(other_side).to_string();
    let (network, _) = other.rsplit_once('.').unwrap();
    let messages = |text: &str| {
        let filter = format!(
            "{} && (sip contains \"{text}\" || sdp contains \"{text}\")",
            sent(house, side)
        );
        wire.count(&filter).unwrap()
    };
    // INVITE, its answer or ACK, two re-INVITEs, BYE, for either call: all of them name us.
    let all = messages(&ours.to_string());
    assert!(all >= 12, "{side:?}: {all} messages");
    assert_eq!(messages(&format!("{network}.")), 0, "{side:?}");
    assert_eq!(messages("sips:"), 0, "{side:?}");
}

/// Offers to the carrier, and how many crypto lines they have.
fn assert_one_crypto_line(house: &House, wire: &Wire) {
    let filter = format!(
        "{} && sip.Method == \"INVITE\" && sdp",
        sent(house, Host::Carrier)
    );
    let offers = wire.fields(&filter, &["sdp.media_attr"]).unwrap();
    // The first INVITE of one call and two re-INVITEs of it; those of the other come from there.
    assert_eq!(offers.len(), 3, "{offers:?}");
    for offer in offers {
        let lines: Vec<_> = offer[0]
            .iter()
            .filter(|attribute| attribute.starts_with("crypto:"))
            .collect();
        assert_eq!(lines.len(), 1, "{offer:?}");
        assert!(
            lines[0].starts_with("crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"),
            "{lines:?}"
        );
    }
}

fn assert_media(house: &House, (side, dscp): (Host, &str), wire: &Wire) {
    let filter = format!("{} && rtp", sent(house, side));
    let fields = ["ip.dsfield.dscp", "rtp.p_type"];
    let packets = wire.fields(&filter, &fields).unwrap();
    assert!(
        packets.len() >= 4 * PACKETS as usize,
        "{side:?}: {} packets",
        packets.len()
    );
    let of = |field: usize| -> BTreeSet<&str> {
        packets
            .iter()
            .map(|packet| packet[field][0].as_str())
            .collect()
    };
    assert_eq!(of(0), BTreeSet::from([dscp]), "{side:?}");
    let party = if side == Host::Pbx { PBX } else { CARRIER };
    let events = party.events().to_string();
    assert_eq!(of(1), BTreeSet::from(["0", &events]), "{side:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sec_5_sec_6_sig_8_med_5_tshark_sees_what_must_be_and_nothing_else() {
    if !require_root("the network lab") {
        return;
    }
    let (house, wires) = recorded().await;
    for (leg, wire) in DSCP.into_iter().zip(&wires) {
        assert_sips_and_addresses_stay_inside(&house, leg.0, wire);
        assert_media(&house, leg, wire);
    }
    assert_one_crypto_line(&house, &wires[0]);
    house.close();
}
