//! Every fuzz target for a few seconds: its seeds, the inputs that once made it fail, and a fixed
//! number of mutations that are the same each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use trunkline_fuzz::mutation::input;
use trunkline_fuzz::rng::SeededRng;
use trunkline_fuzz::{TARGETS, Target, target};

fn short_run(name: &str) {
    let target = target(name).expect("a target of that name");
    let seeds = (target.seeds)();
    for (number, seed) in seeds.iter().enumerate() {
        run(&target, &format!("seed {number}"), seed);
    }
    for (file, bytes) in regressions(&target) {
        run(&target, &file, &bytes);
    }
    let mut rng = SeededRng(0x7472_756e_6b6c_696e);
    for number in 0..target.short_run {
        run(
            &target,
            &format!("mutation {number}"),
            &input(&mut rng, &seeds),
        );
    }
}

fn run(target: &Target, what: &str, bytes: &[u8]) {
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    assert!(result.is_ok(), "{what}: {}", bytes.escape_ascii());
}

/// `regressions/<target>/`: what libFuzzer has found, cut short.
fn regressions(target: &Target) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    let Ok(files) = std::fs::read_dir(directory.join(target.name)) else {
        return Vec::new();
    };
    files
        .map(|file| {
            let path = file.expect("a readable directory").path();
            let bytes = std::fs::read(&path).expect("a readable file");
            (path.display().to_string(), bytes)
        })
        .collect()
}

macro_rules! short_runs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            short_run(stringify!($name));
        })*

        #[test]
        fn every_target_has_its_short_run() {
            let names = [$(stringify!($name)),*];
            assert_eq!(names, TARGETS.iter().map(|target| target.name).collect::<Vec<_>>()[..]);
        }
    };
}

short_runs! { message uri framing sdp stack srtp frame }
