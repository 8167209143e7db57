//! Linphone as a telephone: it answers by itself, says what a file says, records what it hears, and
//! does what it is told.

use std::io::{PipeWriter, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;

use crate::lab::Namespace;
use crate::peer::Peer;
use crate::sound::Sound;

const PATIENCE: Duration = Duration::from_secs(15);
/// As long as any call here.
const TONE_SECONDS: u32 = 60;

/// How a telephone is set up: with TLS, SRTP and an account at the edge.
#[derive(Clone, Debug)]
pub struct Settings<'a> {
    /// The account's address of record, without `sip:`.
    pub aor: &'a str,
    /// The user name and password of the account.
    pub credentials: (&'a str, &'a str),
    /// Where it registers, by TLS on port 5061.
    pub edge: IpAddr,
    /// A file with the roots that it trusts.
    pub roots: &'a Path,
    /// Of the tone that it sends, in Hz.
    pub tone: u32,
}

/// A telephone; ended when dropped.
pub struct Phone {
    pub peer: Peer,
    keys: PipeWriter,
    recording: PathBuf,
}

impl Phone {
    /// Starts it; its files are made in `directory`.
    pub fn start(
        namespace: &Namespace,
        directory: &Path,
        settings: &Settings<'_>,
    ) -> Result<Phone> {
        // It does not make the directory of its database.
        std::fs::create_dir_all(directory.join(".local/share/linphone"))?;
        let configured = directory.join("linphonerc");
        std::fs::write(&configured, configuration(settings))?;
        let (spoken, recording) = (directory.join("tone.wav"), directory.join("heard.wav"));
        Sound::sine(settings.tone, TONE_SECONDS).write(&spoken)?;

        let mut command = namespace.command("linphonec");
        command.arg("-a").arg("-c").arg(&configured);
        command.env("HOME", directory);
        let (input, keys) = std::io::pipe()?;
        let peer = Peer::start_with_input(command, Stdio::from(input), &directory.join("log"))?;
        let mut phone = Phone {
            peer,
            keys,
            recording,
        };
        phone.press("soundcard use files")?;
        phone.press(&format!("play {}", spoken.display()))?;
        phone.press(&format!("record {}", phone.recording.display()))?;
        Ok(phone)
    }

    /// Has it do what a person would with its keys: a command of its command line.
    pub fn press(&mut self, command: &str) -> Result<()> {
        Ok(writeln!(self.keys, "{command}")?)
    }

    /// Ends it well.
    pub fn quit(&mut self) -> Result<()> {
        self.press("quit")?;
        self.peer.wait(PATIENCE)?;
        Ok(())
    }

    /// Frequency of what it heard, Hz, and for how long, s.
    pub fn heard(&self) -> Result<(f64, f64)> {
        Sound::read(&self.recording)?.tone()
    }

    /// Frequency of the last second that it heard, Hz.
    pub fn heard_last(&self) -> Result<f64> {
        Sound::read(&self.recording)?.last_tone()
    }
}

/// It would look for a way to the Internet before it takes the network for usable, and offer video. Its
/// TLS does not find an address in a certificate: the chain is verified, the name is not.
fn configuration(settings: &Settings<'_>) -> String {
    let Settings {
        aor, edge, roots, ..
    } = settings;
    let (user, password) = settings.credentials;
    let (name, domain) = aor.split_once('@').unwrap_or((aor, ""));
    format!(
        "[sip]\nsip_port=0\nsip_tcp_port=0\nsip_tls_port=-1\nguess_hostname=0\nuse_ipv6=0\n\
         root_ca={}\nverify_server_certs=1\nverify_server_cn=0\nmedia_encryption=srtp\n\
         media_encryption_mandatory=1\ndefault_proxy=0\n\
         [net]\nauto_net_state_mon=0\nfirewall_policy=0\n\
         [video]\nautomatically_initiate=0\nautomatically_accept=0\n\
         [proxy_0]\nreg_proxy=<sip:{edge}:5061;transport=tls>\n\
         reg_route=<sip:{edge}:5061;transport=tls;lr>\nreg_identity=sip:{aor}\nreg_expires=600\n\
         reg_sendregister=1\npublish=0\n\
         [auth_info_0]\nusername={name}\nuserid={user}\npasswd={password}\ndomain={domain}\n",
        roots.display()
    )
}
