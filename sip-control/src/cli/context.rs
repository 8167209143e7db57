//! What every verb needs: a daemon to ask, and how to show what it says.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::client::{self, Client, Way};
use super::document;
use super::failure::Failure;
use super::output::Output;
use crate::control;

const URL: &str = "TRUNKLINE_URL";
const TOKEN_FILE: &str = "TRUNKLINE_TOKEN_FILE";
const CA: &str = "TRUNKLINE_CA";

/// Which daemon is asked, and for whom the answer is.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Common {
    /// One JSON object for scripts, instead of a table; errors too.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// `control.socket` of the daemon's configuration; goes before --url [default:
    /// /run/trunkline/control.sock].
    #[arg(long, global = true, value_name = "PATH", help_heading = "Connection")]
    socket: Option<PathBuf>,
    /// A daemon's `api.listen`, such as https://edge.example.com:8443; http:// is for this host alone.
    #[arg(
        long,
        global = true,
        env = URL,
        help_heading = "Connection"
    )]
    url: Option<String>,
    /// The first line of it is the token for --url.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = TOKEN_FILE,
        help_heading = "Connection"
    )]
    token_file: Option<PathBuf>,
    /// The roots of the certificate at --url, PEM [default: the system's].
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = CA,
        help_heading = "Connection"
    )]
    ca: Option<PathBuf>,
}

/// For verbs that can look again and again.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// Again each second, until interrupted.
    #[arg(long)]
    pub(super) watch: bool,
}

pub(super) struct Context {
    pub(super) client: Client,
    pub(super) output: Output,
}

impl Common {
    /// As without any argument.
    pub(super) fn from_environment() -> Common {
        let file = |name| std::env::var_os(name).map(PathBuf::from);
        Common {
            json: false,
            socket: None,
            url: std::env::var(URL).ok(),
            token_file: file(TOKEN_FILE),
            ca: file(CA),
        }
    }

    pub(super) fn context(&self) -> Result<Context, Failure> {
        Ok(Context {
            client: Client::new(self.way()?),
            output: Output::new(self.json),
        })
    }

    /// One that gives up soon, as completion in a shell must.
    pub(super) fn hasty(&self, patience: Duration) -> Option<Client> {
        Some(Client::hasty(self.way().ok()?, patience))
    }

    fn way(&self) -> Result<Way, Failure> {
        match (&self.socket, &self.url) {
            (Some(socket), _) => Ok(Way::Socket(socket.clone())),
            (None, None) => Ok(Way::Socket(control::DEFAULT_SOCKET.into())),
            (None, Some(url)) => {
                let token = match &self.token_file {
                    None => None,
                    Some(file) => {
                        let line = Zeroizing::new(document::first_line(file)?);
                        Some(Zeroizing::new(line.trim().to_owned()))
                    }
                };
                Way::remote(url, token, || client::tls(self.ca.as_deref()))
            }
        }
    }
}
