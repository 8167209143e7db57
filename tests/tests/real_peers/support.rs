//! A lab with a daemon, and SIPps at its parties' places.

use std::net::SocketAddr;

use serde_json::Value;
use sip_core::transport::Transport;
use trunkline_tests::agent::Authority;
use trunkline_tests::edge::{Edge, EdgeOptions, daemon_path};
use trunkline_tests::lab::{Host, LabOptions, Namespace};
use trunkline_tests::peer::Directory;
use trunkline_tests::sipp::{PATIENCE, Post, Sipp};
use trunkline_tests::stage::{Party, Stage};

pub(crate) struct House {
    // The daemon goes before the stage that it runs on.
    edge: Edge,
    pub(crate) files: Directory,
    pub(crate) authority: Authority,
    pub(crate) stage: Stage,
}

impl House {
    pub(crate) fn open(name: &str, options: &EdgeOptions) -> House {
        let files = Directory::new(name).unwrap();
        let stage = Stage::lab(LabOptions::default()).unwrap();
        House::on(stage, files, options)
    }

    /// On a stage that is there already.
    pub(crate) fn on(stage: Stage, files: Directory, options: &EdgeOptions) -> House {
        let authority = Authority::new().unwrap();
        let edge = Edge::start(&daemon_path().unwrap(), &stage, &authority, options).unwrap();
        House {
            edge,
            files,
            authority,
            stage,
        }
    }

    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    pub(crate) fn namespace(&self, side: Host) -> &Namespace {
        self.stage.namespaces().unwrap().namespace(side)
    }

    /// The place of a plain party.
    pub(crate) fn post(&self, party: Party) -> Post<'_> {
        let address = SocketAddr::new(self.stage.address(party), 5060);
        self.post_at(party.side(), address)
    }

    /// Another place on that side.
    pub(crate) fn post_at(&self, side: Host, address: SocketAddr) -> Post<'_> {
        Post {
            namespace: self.namespace(side),
            address,
            transport: Transport::Udp,
        }
    }

    pub(crate) fn callee(&self, post: Post<'_>, scenario: &str, arguments: &[&str]) -> Sipp {
        Sipp::callee(post, &self.files, scenario, arguments).unwrap()
    }

    /// A plain party that calls `number`.
    pub(crate) fn caller(
        &self,
        party: Party,
        scenario: &str,
        number: &str,
        arguments: &[&str],
    ) -> Sipp {
        let to = (number, self.stage.edge_listener(party));
        Sipp::caller(self.post(party), &self.files, scenario, to, arguments).unwrap()
    }

    /// Each must end, and well.
    pub(crate) fn finish(&self, all: &mut [&mut Sipp]) {
        for sipp in all {
            sipp.finish(PATIENCE)
                .unwrap_or_else(|error| panic!("{error:#}\nedge:\n{}", self.edge.log()));
        }
    }

    /// The records, which must be as many.
    pub(crate) fn records(&self, count: usize) -> Vec<Value> {
        let records = self.edge.wait_for_records(count).unwrap();
        assert_eq!(records.len(), count, "{records:#?}");
        records
    }

    /// The daemon must end well.
    pub(crate) fn close(mut self) {
        self.edge.stop().unwrap();
    }
}

/// The plain carrier calls the plain PBX; both play a scenario. The record of the call.
pub(crate) fn call(
    name: &str,
    options: &EdgeOptions,
    caller: (&str, &[&str]),
    callee: (&str, &[&str]),
) -> Value {
    calls(name, options, caller, callee, 1).remove(0)
}

/// The same, where it takes several INVITEs: as many records are left.
pub(crate) fn calls(
    name: &str,
    options: &EdgeOptions,
    (caller, caller_arguments): (&str, &[&str]),
    (callee, callee_arguments): (&str, &[&str]),
    count: usize,
) -> Vec<Value> {
    let house = House::open(name, options);
    let (from, to) = (Party::CarrierPlain, Party::PbxPlain);
    let mut callee = house.callee(house.post(to), callee, callee_arguments);
    let mut caller = house.caller(from, caller, to.number(), caller_arguments);
    house.finish(&mut [&mut caller, &mut callee]);
    let records = house.records(count);
    house.close();
    records
}

/// The call was answered, and ended by `side` without trouble.
pub(crate) fn assert_complete(record: &Value, side: &str) {
    assert_eq!(record["status"], 200, "{record:#}");
    assert_eq!(record["code"], Value::Null, "{record:#}");
    assert_eq!(record["ended_by"], side, "{record:#}");
    assert!(record["answer"].is_string(), "{record:#}");
}

/// Where the call was tried, with the status of each: `192.0.2.2:5060 503`, or `-` without one.
pub(crate) fn tried(record: &Value) -> Vec<String> {
    let targets = record["targets"].as_array().unwrap();
    let each = targets.iter().map(|target| {
        let status = target["status"].as_u64();
        let status = status.map_or("-".to_owned(), |status| status.to_string());
        let address = target["address"].as_str().unwrap_or("nowhere");
        format!("{address} {status}")
    });
    each.collect()
}
