//! One INVITE to several places at once, as a forking proxy does it (RFC 3261 section 16.7):
//! whoever sends it sees one transaction, the first place's, with the responses that count. When a
//! place answers, the others are told that the call was completed elsewhere (RFC 3326).

use std::collections::HashMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::call::outcome::Failure;
use crate::message::{HeaderName, NameAddr, Request, Response, Uri};
use crate::transaction::ClientKey;
use crate::transport::{Origin, Target};
use crate::trunk::TargetUri;

/// Why the other places are cancelled (RFC 3326 section 2).
pub(crate) const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// Every INVITE that is out at several places.
#[derive(Default)]
pub(crate) struct Places {
    groups: HashMap<ClientKey, Group>,
    /// The group of each branch.
    group_of: HashMap<ClientKey, ClientKey>,
}

/// One INVITE and its places.
struct Group {
    branches: Vec<Branch>,
    /// The best refusal so far, and whose it is.
    best: Option<(ClientKey, What)>,
    winner: Option<ClientKey>,
    cancelled: bool,
}

/// One place.
#[derive(Clone)]
pub(crate) struct Branch {
    pub(crate) client: ClientKey,
    /// Without its body.
    pub(crate) request: Request,
    /// That body, for the same INVITE once more; it may have keys.
    pub(crate) body: Arc<Zeroizing<Vec<u8>>>,
    pub(crate) target: Target,
    /// It has no final response.
    pub(crate) is_open: bool,
}

/// What a place says.
pub(crate) enum What {
    Response(Origin, Box<Response>),
    Failed(Failure),
}

/// Where an account is registered: one binding, as a call goes there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The Request-URI: the Contact that was registered.
    pub(crate) uri: Uri,
    /// The proxies between (RFC 3327).
    pub(crate) path: Vec<NameAddr>,
    /// The flow that the REGISTER came by, or where Path or Contact lead.
    pub(crate) target: Target,
}

impl Place {
    /// The same as a target.
    pub(crate) fn target_uri(&self) -> TargetUri {
        target_uri(&self.target)
    }

    /// The INVITE as it goes there.
    pub(crate) fn invite(&self, invite: &Request) -> (Request, Target) {
        let mut invite = invite.clone();
        invite.uri = self.uri.clone();
        for hop in &self.path {
            invite.headers.push(HeaderName::Route, hop);
        }
        (invite, self.target.clone())
    }
}

/// Where that is, for the record.
pub(crate) fn target_uri(target: &Target) -> TargetUri {
    TargetUri {
        host: target.host.clone(),
        port: Some(target.port),
        transport: Some(target.transport),
    }
}

/// What is to be done with what came of a branch.
pub(crate) enum Sorted {
    /// It is the group's: told of that client transaction, and which place speaks.
    Tell(ClientKey, Option<Box<Branch>>, What),
    /// The first answer: it is told, and `others` are to be cancelled.
    Answered {
        group: ClientKey,
        branch: Box<Branch>,
        others: Vec<ClientKey>,
        origin: Origin,
        response: Response,
    },
    /// An answer after another one's: to be acknowledged and ended.
    TooLate {
        branch: Box<Branch>,
        origin: Origin,
        response: Response,
    },
    /// Nobody else may answer either (section 16.7, item 5): they are to be cancelled.
    Decided(Vec<ClientKey>),
    /// It counts for nothing, or not yet.
    Absorbed,
}

impl Places {
    /// The INVITE is at `others`, too.
    pub(crate) fn begin(&mut self, first: Branch, others: Vec<Branch>) {
        let key = first.client;
        let branches: Vec<Branch> = std::iter::once(first).chain(others).collect();
        for branch in &branches {
            self.group_of.insert(branch.client, key);
        }
        let group = Group {
            branches,
            best: None,
            winner: None,
            cancelled: false,
        };
        self.groups.insert(key, group);
    }

    /// The branches of `group`; itself, if it is no group.
    pub(crate) fn branches(&self, group: ClientKey) -> Vec<ClientKey> {
        match self.groups.get(&group) {
            Some(known) => known.branches.iter().map(|branch| branch.client).collect(),
            None => vec![group],
        }
    }

    /// The branch of that transaction, if it is one of several.
    pub(crate) fn branch(&self, client: ClientKey) -> Option<&Branch> {
        self.groups.get(self.group_of.get(&client)?)?.branch(client)
    }

    /// The place of that transaction, if its INVITE may be sent once more: it is one of several,
    /// and nobody has answered, given up or declined for all.
    pub(crate) fn ringing(&self, client: ClientKey) -> Option<&Branch> {
        let group = self.groups.get(self.group_of.get(&client)?)?;
        let is_ringing = group.winner.is_none() && !group.cancelled && !group.is_decided();
        group
            .branch(client)
            .filter(|branch| is_ringing && branch.is_open)
    }

    /// The INVITE of that place is sent once more, as `again`: what the old transaction still brings
    /// counts for nothing.
    pub(crate) fn asked_again(&mut self, old: ClientKey, again: Branch) {
        let client = again.client;
        let Some((first, group)) = self.find(old) else {
            return;
        };
        if let Some(branch) = group
            .branches
            .iter_mut()
            .find(|branch| branch.client == old)
        {
            *branch = again;
            self.group_of.insert(client, first);
        }
    }

    /// Everything that is kept.
    pub(crate) fn len(&self) -> usize {
        self.groups.len() + self.group_of.len()
    }

    /// The transaction that `group` is acknowledged in: the one of the place that answered.
    pub(crate) fn answered(&self, group: ClientKey) -> ClientKey {
        let winner = self.groups.get(&group).and_then(|group| group.winner);
        winner.unwrap_or(group)
    }

    /// The branches to cancel when the group is; itself, if it is no group.
    pub(crate) fn cancel(&mut self, group: ClientKey) -> Vec<ClientKey> {
        let Some(known) = self.groups.get_mut(&group) else {
            return vec![group];
        };
        known.cancelled = true;
        known.open()
    }

    /// A response to a branch; anything else goes through as it is.
    pub(crate) fn response(
        &mut self,
        client: ClientKey,
        origin: Origin,
        mut response: Response,
    ) -> Sorted {
        let Some((first, group)) = self.find(client) else {
            return Sorted::Tell(client, None, What::Response(origin, Box::new(response)));
        };
        if response.status.is_provisional() {
            if group.winner.is_some() {
                return Sorted::Absorbed;
            }
            let Some(branch) = group.branch(client).cloned() else {
                return Sorted::Absorbed;
            };
            // Early media of several places at once would be heard by turns.
            response.body.clear();
            response.headers.remove(HeaderName::ContentType);
            let response = What::Response(origin, Box::new(response));
            return Sorted::Tell(first, Some(Box::new(branch)), response);
        }
        let Some(branch) = group.close(client) else {
            return Sorted::Absorbed;
        };
        if !response.status.is_success() {
            let decides = response.status.code() >= 600;
            group.keep(client, What::Response(origin, Box::new(response)));
            return group.decide(first, decides);
        }
        let branch = Box::new(branch);
        match group.winner {
            None => {
                group.winner = Some(client);
                Sorted::Answered {
                    group: first,
                    branch,
                    others: group.open(),
                    origin,
                    response,
                }
            }
            Some(winner) if winner == client => Sorted::Tell(
                first,
                Some(branch),
                What::Response(origin, Box::new(response)),
            ),
            Some(_) => Sorted::TooLate {
                branch,
                origin,
                response,
            },
        }
    }

    /// A branch got no response.
    pub(crate) fn failure(&mut self, client: ClientKey, failure: Failure) -> Sorted {
        let Some((first, group)) = self.find(client) else {
            return Sorted::Tell(client, None, What::Failed(failure));
        };
        if group.close(client).is_none() {
            return Sorted::Absorbed;
        }
        group.keep(client, What::Failed(failure));
        group.decide(first, false)
    }

    /// The branch's transaction is gone.
    pub(crate) fn ended(&mut self, client: ClientKey) {
        let Some(first) = self.group_of.remove(&client) else {
            return;
        };
        if let Some(group) = self.groups.get_mut(&first) {
            group.branches.retain(|branch| branch.client != client);
            if group.branches.is_empty() {
                self.groups.remove(&first);
            }
        }
    }

    fn find(&mut self, client: ClientKey) -> Option<(ClientKey, &mut Group)> {
        let first = *self.group_of.get(&client)?;
        Some((first, self.groups.get_mut(&first)?))
    }
}

impl Group {
    fn open(&self) -> Vec<ClientKey> {
        let open = self.branches.iter().filter(|branch| branch.is_open);
        open.map(|branch| branch.client).collect()
    }

    /// A place has declined for all of them (section 16.7, item 5).
    fn is_decided(&self) -> bool {
        matches!(&self.best, Some((_, What::Response(_, best))) if best.status.code() >= 600)
    }

    fn branch(&self, client: ClientKey) -> Option<&Branch> {
        let mut branches = self.branches.iter();
        branches.find(|branch| branch.client == client)
    }

    fn close(&mut self, client: ClientKey) -> Option<Branch> {
        let mut branches = self.branches.iter_mut();
        let branch = branches.find(|branch| branch.client == client)?;
        branch.is_open = false;
        Some(branch.clone())
    }

    /// Keeps the better refusal: 6xx before all, then the lowest class, and an answer of anybody
    /// before none (section 16.7, item 6).
    fn keep(&mut self, client: ClientKey, new: What) {
        let rank = |refusal: &What| match refusal {
            What::Response(_, response) => match response.status.code() {
                600.. => 0,
                code => code / 100,
            },
            What::Failed(_) => 9,
        };
        let best = self.best.as_ref();
        if best.is_none_or(|(_, best)| rank(&new) < rank(best)) {
            self.best = Some((client, new));
        }
    }

    /// After a refusal: told when it was the last one.
    fn decide(&mut self, first: ClientKey, decides: bool) -> Sorted {
        let open = self.open();
        if self.winner.is_some() {
            return Sorted::Absorbed;
        }
        match self.best.take_if(|_| open.is_empty()) {
            Some((client, best)) => {
                let branch = self.branch(client).cloned().map(Box::new);
                Sorted::Tell(first, branch, best)
            }
            None if decides && !self.cancelled => Sorted::Decided(open),
            None => Sorted::Absorbed,
        }
    }
}
