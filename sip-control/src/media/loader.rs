//! Loads the XDP program, pins it, attaches it; takes all of it back when dropped.

use std::io;
use std::path::Path;

use aya::maps::MapError;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpMode};
use aya::programs::{ProgramError, Xdp};
use aya::{Ebpf, EbpfError, EbpfLoader};
use media_common::maps;

use super::config::{Attach, MediaConfig};
use super::error::MediaError;
use super::maps::{KernelMaps, SetupMaps};
use super::pins::Pins;
use super::slots::Slots;
use super::status::AttachedMode;
use super::{capability, next_hop, object, sys};

/// An interface with the program.
pub(super) struct Attached {
    pub(super) name: String,
    pub(super) ifindex: u32,
    pub(super) queues: u32,
    pub(super) mode: AttachedMode,
    /// Slot of its queue 0 among the AF_XDP sockets.
    pub(super) first_slot: u32,
}

/// The program in the kernel. Fields are dropped in order: links detach, then pins go.
pub(super) struct Loaded {
    links: Vec<Hold>,
    ebpf: Ebpf,
    pins: Option<Pins>,
    pub(super) interfaces: Vec<Attached>,
}

/// Keeps the program attached to an interface.
enum Hold {
    /// Removing the pin and closing the link detach.
    Pinned(PinnedLink),
    Unpinned(XdpLink),
}

impl Loaded {
    /// Loads and pins; attaches to nothing yet.
    pub(super) fn load(
        config: &MediaConfig,
        slots: &Slots,
    ) -> Result<(Loaded, KernelMaps, SetupMaps), MediaError> {
        capability::require()?;
        let object = object::object()?;
        let interfaces = find_interfaces(&config.interfaces)?;
        let pins = Pins::open(&config.pin_dir)?;
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(maps::FLOWS, slots.len())
            .map_max_entries(maps::INCIDENTS, slots.len())
            .map_max_entries(maps::NEXT_HOPS, next_hop::CAPACITY)
            .load(object)
            .map_err(|error| load_error(&error))?;
        program(&mut ebpf)?
            .load()
            .map_err(|error| program_error(&error, MediaError::Load))?;
        if let Some(pins) = &pins {
            pin_maps(&ebpf, pins)?;
        }
        let (kernel, mut setup) = KernelMaps::take(&mut ebpf, slots.len())?;
        setup.set_addresses(*slots.layout())?;
        for interface in &interfaces {
            setup.add_interface(interface.ifindex, interface.first_slot)?;
        }
        Ok((
            Loaded {
                links: Vec::new(),
                ebpf,
                pins,
                interfaces,
            },
            kernel,
            setup,
        ))
    }

    /// Runs the program on every interface. From here on packets of flows are ours.
    pub(super) fn attach(&mut self, config: &MediaConfig) -> Result<(), MediaError> {
        for interface in &mut self.interfaces {
            let program = program(&mut self.ebpf)?;
            let wanted = config.attach_to(&interface.name);
            let (link, mode) = attach(program, interface, wanted)?;
            interface.mode = mode;
            self.links
                .push(hold(link, &interface.name, self.pins.as_ref())?);
        }
        Ok(())
    }

    /// Where the pins are.
    pub(super) fn pin_directory(&self) -> Option<&Path> {
        self.pins.as_ref().map(Pins::directory)
    }

    /// For what reads the object's own log.
    #[cfg(feature = "trace")]
    pub(super) fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        for link in self.links.drain(..) {
            match link {
                Hold::Pinned(link) => {
                    if let Err(error) = link.unpin() {
                        tracing::error!(%error, "media: a link's pin could not be removed");
                    }
                }
                Hold::Unpinned(link) => drop(link),
            }
        }
    }
}

fn find_interfaces(names: &[String]) -> Result<Vec<Attached>, MediaError> {
    if names.is_empty() {
        return Err(MediaError::Config(
            "XDP needs the names of the media interfaces".to_owned(),
        ));
    }
    let system = |action| move |source| MediaError::System { action, source };
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")
        .or_else(|_| std::net::UdpSocket::bind("[::1]:0"))
        .map_err(system("opening a socket to look up interfaces"))?;
    let mut interfaces = Vec::with_capacity(names.len());
    let mut first_slot = 0;
    for name in names {
        let ifindex = rustix::net::netdevice::name_to_index(&socket, name)
            .map_err(|_| MediaError::NoInterface(name.clone()))?;
        let queues =
            sys::receive_queues(name).map_err(system("asking for the number of receive queues"))?;
        interfaces.push(Attached {
            name: name.clone(),
            ifindex,
            queues,
            mode: AttachedMode::Native,
            first_slot,
        });
        first_slot += queues;
    }
    if interfaces.len() > maps::MAX_DEVICES || first_slot as usize > maps::MAX_QUEUES {
        return Err(MediaError::Config(format!(
            "at most {} interfaces with {} receive queues together are possible, not {} with {first_slot}",
            maps::MAX_DEVICES,
            maps::MAX_QUEUES,
            interfaces.len()
        )));
    }
    Ok(interfaces)
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp, MediaError> {
    ebpf.program_mut(maps::PROGRAM)
        .ok_or_else(|| MediaError::Load(format!("the object has no program {}", maps::PROGRAM)))?
        .try_into()
        .map_err(|error: ProgramError| MediaError::Load(error.to_string()))
}

fn pin_maps(ebpf: &Ebpf, pins: &Pins) -> Result<(), MediaError> {
    for (name, map) in ebpf.maps() {
        // Sections of the object (.rodata) and aya-log's own are nobody's tables.
        if name.starts_with('.') || name.starts_with("AYA") {
            continue;
        }
        let path = pins.map(name);
        map.pin(&path).map_err(|error| MediaError::Pin {
            path,
            source: io::Error::other(error.to_string()),
        })?;
    }
    Ok(())
}

/// In the driver if wanted and possible, else generic.
fn attach(
    program: &mut Xdp,
    interface: &Attached,
    wanted: Attach,
) -> Result<(XdpLink, AttachedMode), MediaError> {
    let failed = |error: &ProgramError| {
        program_error(error, |detail| MediaError::Attach {
            interface: interface.name.clone(),
            detail,
        })
    };
    let mut attach_as = |mode, attached| {
        let id = program.attach_to_if_index(interface.ifindex, mode)?;
        Ok((program.take_link(id)?, attached))
    };
    let native =
        |attach_as: &mut dyn FnMut(_, _) -> _| attach_as(XdpMode::Driver, AttachedMode::Native);
    match wanted {
        Attach::Native => native(&mut attach_as).map_err(|error| failed(&error)),
        Attach::Generic => attach_as(XdpMode::Skb, AttachedMode::Generic).map_err(|error| failed(&error)),
        Attach::Auto => native(&mut attach_as).or_else(|error| {
            if is_busy(&error) {
                return Err(failed(&error));
            }
            tracing::warn!(
                interface = interface.name,
                reason = %detail_of(&error),
                "media: the driver does not run XDP programs; attaching in the network stack, which is slower"
            );
            attach_as(XdpMode::Skb, AttachedMode::Generic).map_err(|error| failed(&error))
        }),
    }
}

fn hold(link: XdpLink, interface: &str, pins: Option<&Pins>) -> Result<Hold, MediaError> {
    let Some(pins) = pins else {
        return Ok(Hold::Unpinned(link));
    };
    let path = pins.link(interface);
    let pin_error = |source| MediaError::Pin {
        path: path.clone(),
        source,
    };
    let link =
        FdLink::try_from(link).map_err(|error| pin_error(io::Error::other(error.to_string())))?;
    let pinned = link
        .pin(&path)
        .map_err(|error| pin_error(io::Error::other(error.to_string())))?;
    Ok(Hold::Pinned(pinned))
}

/// A refused system call names the capability that it lacks.
fn program_error(error: &ProgramError, other: impl FnOnce(String) -> MediaError) -> MediaError {
    match system_error(error) {
        Some(io_error) if is_refusal(io_error) => MediaError::MissingCapability {
            capability: "CAP_NET_ADMIN",
            action: detail_of(error),
        },
        _ if is_busy(error) => other(format!(
            "it has an XDP program of somebody else's ({})",
            detail_of(error)
        )),
        _ => other(detail_of(error)),
    }
}

fn load_error(error: &EbpfError) -> MediaError {
    if let EbpfError::MapError(MapError::CreateError { io_error, .. }) = error
        && is_refusal(io_error)
    {
        return MediaError::MissingCapability {
            capability: "CAP_BPF",
            action: "making a map".to_owned(),
        };
    }
    MediaError::Load(chain(error))
}

fn detail_of(error: &ProgramError) -> String {
    chain(error)
}

/// An error with its causes on one line; a verifier log is left out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.lines().next().unwrap_or_default().to_owned()
}

fn system_error(error: &ProgramError) -> Option<&io::Error> {
    match error {
        ProgramError::SyscallError(error) => Some(&error.io_error),
        ProgramError::LoadError { io_error, .. } => Some(io_error),
        _ => None,
    }
}

/// EACCES is not among them: with it the verifier rejects programs.
fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}

fn is_busy(error: &ProgramError) -> bool {
    system_error(error)
        .is_some_and(|error| matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST)))
}
