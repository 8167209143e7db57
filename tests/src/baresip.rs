//! baresip as a telephone: it sends a tone, records what it hears, and does what it is told.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use crate::lab::Namespace;
use crate::peer::Peer;
use crate::sound::Sound;

/// Where it takes commands.
const CONTROL_PORT: u16 = 4444;
const PATIENCE: Duration = Duration::from_secs(15);

/// How a telephone is set up.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// Where it listens, on port 5060.
    pub address: IpAddr,
    /// Its line of baresip's `accounts`; `answermode=auto` is added.
    pub account: &'a str,
    /// `phone.pem` and `ca.crt` of that directory are its certificate and its roots.
    pub certificates: Option<&'a Path>,
    /// Of the tone that it sends, in Hz.
    pub tone: u32,
    /// Is called at once.
    pub dial: Option<&'a str>,
    /// When it ends by itself.
    pub seconds: u32,
}

/// A telephone; ended when dropped.
pub struct Phone {
    pub peer: Peer,
    directory: PathBuf,
    address: IpAddr,
}

impl Phone {
    /// Starts it; its files are made in `directory`.
    pub fn start(
        namespace: &Namespace,
        directory: &Path,
        settings: &Settings<'_>,
    ) -> Result<Phone> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("config"), configuration(directory, settings))?;
        std::fs::write(directory.join("contacts"), "")?;
        let account = format!("{};answermode=auto\n", settings.account);
        std::fs::write(directory.join("accounts"), account)?;
        let mut command = namespace.command("baresip");
        command
            .arg("-f")
            .arg(directory)
            .args(["-t", &settings.seconds.to_string()]);
        if let Some(uri) = settings.dial {
            command.arg("-e").arg(format!("d {uri}"));
        }
        Ok(Phone {
            peer: Peer::start(command, &directory.join("log"))?,
            directory: directory.to_owned(),
            address: settings.address,
        })
    }

    /// Has it do what a person would with its keys.
    pub fn press(&self, namespace: &Namespace, command: &str, params: &str) -> Result<()> {
        let address = SocketAddr::new(self.address, CONTROL_PORT);
        let mut stream = namespace.enter(|| TcpStream::connect(address))??;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!("{{\"command\":\"{command}\",\"params\":\"{params}\"}}");
        // A netstring.
        write!(stream, "{}:{request},", request.len())?;
        let mut answer = Vec::new();
        // Events may come before the response.
        while !String::from_utf8_lossy(&answer).contains("\"response\":true") {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer)?;
            ensure!(length > 0, "it hung up:\n{}", self.peer.log());
            answer.extend(&buffer[..length]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        ensure!(answer.contains("\"ok\":true"), "{command}: {answer}");
        Ok(())
    }

    /// Frequency of what it heard first, Hz, and for how long, s.
    pub fn heard(&self) -> Result<(f64, f64)> {
        let recordings = self.recordings()?;
        recordings.first().context("no recording")?.tone()
    }

    /// Frequency of the last second that it heard, Hz.
    pub fn heard_last(&self) -> Result<f64> {
        let recordings = self.recordings()?;
        recordings.last().context("no recording")?.last_tone()
    }

    /// Everything that it heard, in order.
    fn recordings(&self) -> Result<Vec<Sound>> {
        let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with("dec.wav") {
                found.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        found.sort();
        found.iter().map(|(_, path)| Sound::read(path)).collect()
    }
}

fn configuration(directory: &Path, settings: &Settings<'_>) -> String {
    let tls = match settings.certificates.map(Path::display) {
        Some(place) => format!("sip_certificate {place}/phone.pem\nsip_cafile {place}/ca.crt\n"),
        None => String::new(),
    };
    let (address, tone) = (settings.address, settings.tone);
    format!(
        "poll_method epoll\ncall_max_calls 4\naudio_player aubridge,x\naudio_source ausine,{tone}\n\
         ausrc_srate 48000\nausrc_channels 2\nsip_listen {address}:5060\n{tls}snd_path {}\n\
         rtp_ports 24000-24100\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\nmodule ausine.so\n\
         module aubridge.so\nmodule sndfile.so\nmodule srtp.so\nmodule_tmp account.so\nmodule_app menu.so\n\
         module_app ctrl_tcp.so\nctrl_tcp_listen {address}:{CONTROL_PORT}\n",
        directory.display()
    )
}
