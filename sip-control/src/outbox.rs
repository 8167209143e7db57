//! Messages on their way out, in order, behind the sessions that they tell peers of.
//!
//! A peer that has its answer sends media at once: it must not find the flow missing. So what
//! signalling sends after it has handed a session to the media plane waits until that says
//! that packets can pass, which usually takes a fraction of a millisecond.

use std::collections::VecDeque;

use tokio::sync::watch;

pub(crate) struct Outbox<M> {
    /// What may leave once the session of that number is ready; the numbers never fall.
    waiting: VecDeque<(u64, M)>,
    /// The session that was handed over last.
    newest: u64,
    ready: watch::Receiver<u64>,
}

impl<M> Outbox<M> {
    /// `ready` is that of [`MediaPlane::ready`](crate::media::MediaPlane::ready).
    pub(crate) fn new(ready: watch::Receiver<u64>) -> Outbox<M> {
        Outbox {
            waiting: VecDeque::new(),
            newest: 0,
            ready,
        }
    }

    /// Messages from now on are behind that session.
    pub(crate) fn wait_for(&mut self, session: u64) {
        self.newest = self.newest.max(session);
    }

    pub(crate) fn put(&mut self, message: M) {
        self.waiting.push_back((self.newest, message));
    }

    /// The next message that may leave now.
    pub(crate) fn take(&mut self) -> Option<M> {
        let (session, _) = self.waiting.front()?;
        // Without a media plane nothing will ever be ready, and calls end by these messages.
        let may_leave = *self.ready.borrow() >= *session || self.ready.has_changed().is_err();
        may_leave
            .then(|| self.waiting.pop_front())
            .flatten()
            .map(|(_, message)| message)
    }

    /// Everything, ready or not: for the end.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = M> + use<M> {
        std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(_, message)| message)
    }

    /// Waits until [`Outbox::take`] may have one; for ever while nothing waits.
    pub(crate) async fn opens(&mut self) {
        let Some((session, _)) = self.waiting.front() else {
            return std::future::pending().await;
        };
        let session = *session;
        // An error is the media plane's end, which opens as well.
        let _ = self.ready.wait_for(|ready| *ready >= session).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn all(outbox: &mut Outbox<u8>) -> Vec<u8> {
        std::iter::from_fn(|| outbox.take()).collect()
    }

    async fn is_open(outbox: &mut Outbox<u8>) -> bool {
        timeout(Duration::from_millis(10), outbox.opens())
            .await
            .is_ok()
    }

    #[tokio::test]
    async fn messages_wait_for_the_session_before_them_and_keep_their_order() {
        let (media, ready) = watch::channel(0);
        let mut outbox = Outbox::new(ready);
        outbox.put(1);
        assert_eq!(all(&mut outbox), [1]);
        outbox.wait_for(1);
        outbox.put(2);
        outbox.wait_for(2);
        outbox.put(3);
        assert!(all(&mut outbox).is_empty());
        assert!(!is_open(&mut outbox).await);
        media.send_replace(1);
        assert!(is_open(&mut outbox).await);
        assert_eq!(all(&mut outbox), [2]);
        media.send_replace(7);
        assert_eq!(all(&mut outbox), [3]);
        assert!(!is_open(&mut outbox).await, "there is nothing to wait for");
    }

    #[tokio::test]
    async fn without_a_media_plane_messages_leave() {
        let (media, ready) = watch::channel(0);
        let mut outbox = Outbox::new(ready);
        outbox.wait_for(1);
        outbox.put(1);
        drop(media);
        assert!(is_open(&mut outbox).await);
        assert_eq!(all(&mut outbox), [1]);
    }
}
