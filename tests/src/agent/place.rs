//! Where an agent's sockets are: in a namespace of the lab, or on this host's loopback.

use std::fs::File;
use std::sync::Arc;

use crate::sys;

/// A network namespace to open sockets in.
#[derive(Clone)]
pub struct Place(Option<Arc<File>>);

impl Place {
    /// This process's own network namespace.
    pub fn here() -> Place {
        Place(None)
    }

    pub(crate) fn inside(namespace: Arc<File>) -> Place {
        Place(Some(namespace))
    }

    /// Runs `open` there; a socket that it makes stays there.
    pub fn open<T: Send>(
        &self,
        open: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> std::io::Result<T> {
        let Some(namespace) = &self.0 else {
            return open();
        };
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                sys::enter_network_namespace(namespace)?;
                open()
            });
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}
