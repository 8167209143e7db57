//! What the XDP backend may do: the process's effective capabilities.

use super::error::MediaError;

/// Number (linux/capability.h), name, what it is needed for.
const NEEDED: [(u32, &str, &str); 3] = [
    (39, "CAP_BPF", "loading the XDP program"),
    (12, "CAP_NET_ADMIN", "attaching the XDP program"),
    (13, "CAP_NET_RAW", "opening AF_XDP sockets"),
];
/// Stands for CAP_BPF, as before Linux 5.8.
const SYS_ADMIN: u32 = 21;

/// Fails with the name of the first capability that is missing.
pub(super) fn require() -> Result<(), MediaError> {
    let status =
        std::fs::read_to_string("/proc/self/status").map_err(|source| MediaError::System {
            action: "reading /proc/self/status",
            source,
        })?;
    // Without the line the attempts that follow tell.
    effective(&status).map_or(Ok(()), check)
}

fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn check(effective: u64) -> Result<(), MediaError> {
    let has = |number: u32| effective & (1 << number) != 0;
    for (number, capability, action) in NEEDED {
        let stands_in = capability == "CAP_BPF" && has(SYS_ADMIN);
        if !has(number) && !stands_in {
            return Err(MediaError::MissingCapability {
                capability,
                action: action.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_missing_capability_is_named() {
        let needed = (1 << 39) | (1 << 12) | (1 << 13);
        assert!(check(u64::MAX).is_ok());
        assert!(check(needed).is_ok());
        assert!(
            check(needed & !(1 << 39) | (1 << 21)).is_ok(),
            "CAP_SYS_ADMIN stands for CAP_BPF"
        );
        for (number, name, _) in NEEDED {
            let error = check(needed & !(1 << number)).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn the_status_file_is_read() {
        assert_eq!(
            effective("Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\n"),
            Some(0x1ff_ffff_ffff)
        );
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
