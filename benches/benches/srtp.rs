//! Protect and unprotect of one 20 ms PCMU packet: 12 bytes of header, 160 of payload.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media_core::relay::{Carries, Flow, FlowConfig, Outcome, Route, Source, Transform};
use media_core::srtp::key::MasterKey;
use media_core::srtp::profile::Suite;
use media_core::srtp::{MAX_TRAILER, SrtpReceiver, SrtpSender};

const PACKET: usize = 172;
/// Packets made ahead for unprotect, each of which is accepted once; few enough for the cache.
const BATCH: usize = 1 << 11;

fn srtp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("srtp");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .throughput(Throughput::Bytes(PACKET as u64));
    for suite in Suite::ALL {
        let name = suite.name();
        group.bench_function(format!("protect/{name}"), |bencher| {
            let mut sender = SrtpSender::new(key(*suite, 1));
            let (mut packet, mut out) = (rtp(), [0; PACKET + MAX_TRAILER]);
            let mut sequence = 0_u16;
            bencher.iter(|| {
                number(&mut packet, sequence);
                sequence = sequence.wrapping_add(1);
                sender.protect(black_box(&packet), &mut out)
            });
        });
        group.bench_function(format!("unprotect/{name}"), |bencher| {
            let batch = protected(*suite);
            let mut out = [0; PACKET];
            bencher.iter_custom(|iterations| {
                in_batches(&batch, iterations, |packets| {
                    let mut receiver = SrtpReceiver::new(key(*suite, 1));
                    timed(packets, |packet| {
                        assert!(receiver.unprotect(black_box(packet), &mut out).is_ok());
                    })
                })
            });
        });
    }
    group.bench_function("relay, SRTP to SRTP under another key", |bencher| {
        let batch = protected(Suite::AesCm128HmacSha1_80);
        let (now_ns, peer) = (1_000_000_000, "192.0.2.1:4000".parse().expect("an address"));
        let mut out = [0; PACKET + MAX_TRAILER];
        bencher.iter_custom(|iterations| {
            in_batches(&batch, iterations, |packets| {
                let mut flow = Flow::new(reencrypt());
                timed(packets, |packet| {
                    let outcome = flow.relay(now_ns, peer, black_box(packet), &mut out);
                    assert!(matches!(outcome, Outcome::Forward { .. }));
                })
            })
        });
    });
    group.finish();
}

/// Runs `iterations` packets of a batch that is used up and begun anew.
fn in_batches(
    batch: &[Vec<u8>],
    iterations: u64,
    mut run: impl FnMut(&[Vec<u8>]) -> Duration,
) -> Duration {
    let mut left = iterations;
    let mut total = Duration::ZERO;
    while left > 0 {
        let now = left.min(batch.len() as u64);
        total += run(&batch[..now as usize]);
        left -= now;
    }
    total
}

fn timed(packets: &[Vec<u8>], mut each: impl FnMut(&[u8])) -> Duration {
    let start = Instant::now();
    for packet in packets {
        each(packet);
    }
    start.elapsed()
}

fn protected(suite: Suite) -> Vec<Vec<u8>> {
    let mut sender = SrtpSender::new(key(suite, 1));
    let mut packet = rtp();
    (0..BATCH)
        .map(|sequence| {
            number(&mut packet, sequence as u16);
            let mut out = vec![0; PACKET + MAX_TRAILER];
            let len = sender
                .protect(&packet, &mut out)
                .expect("every sequence number is new");
            out.truncate(len);
            out
        })
        .collect()
}

fn reencrypt() -> FlowConfig {
    let suite = Suite::AesCm128HmacSha1_80;
    let address = |text: &str| text.parse().expect("an address");
    FlowConfig {
        carries: Carries::Rtp(Route {
            from: address("192.0.2.9:10000"),
            to: Some(address("198.51.100.1:5000")),
        }),
        source: Source::Exactly(address("192.0.2.1:4000")),
        payload_types: 1,
        telephone_event: None,
        clock_khz: 8,
        max_packet_rate: 0,
        transform: Transform::Reencrypt {
            receive: key(suite, 1),
            send: key(suite, 2),
        },
        dscp: None,
        generation: 0,
    }
}

fn key(suite: Suite, byte: u8) -> MasterKey {
    let key_salt = vec![byte; suite.key_len() + suite.salt_len()];
    MasterKey::from_key_salt(suite, &key_salt).expect("as long as the suite says")
}

fn rtp() -> [u8; PACKET] {
    let mut packet = [0x55; PACKET];
    packet[..12].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 160, 0xca, 0xfe, 0xba, 0xbe]);
    packet
}

fn number(packet: &mut [u8; PACKET], sequence: u16) {
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
}

criterion_group!(benches, srtp);
criterion_main!(benches);
