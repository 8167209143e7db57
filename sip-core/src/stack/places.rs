//! What the places of one INVITE say that is at several at once (SIG-4): what is the call's to hear,
//! and what it means to the others.

use super::Stack;
use crate::call::context::Owner;
use crate::call::places::{Sorted, What};
use crate::message::{Response, StatusCode};
use crate::transaction::ClientKey;

impl Stack {
    /// What came of a request of a leg, with what that means to the other places that it is at.
    pub(super) fn handle_sorted(&mut self, (id, side): Owner, sorted: Sorted) {
        match sorted {
            Sorted::Tell(client, place, What::Response(origin, response)) => {
                self.with_call_of(&origin.clone(), id, |mut call, cx| {
                    if let Some(place) = &place {
                        call.hear_place(side, place, &response);
                    }
                    call.handle_response(cx, (side, client), origin, *response)
                });
            }
            Sorted::Tell(client, _, What::Failed(failure)) => {
                self.with_call(id, |call, cx| {
                    call.handle_failure(cx, side, client, failure)
                });
            }
            Sorted::Answered {
                group,
                branch,
                others,
                origin,
                response,
            } => {
                for other in others {
                    self.cx.cancel_elsewhere(other);
                }
                self.with_call_of(&origin.clone(), id, |mut call, cx| {
                    call.hear_place(side, &branch, &response);
                    call.handle_response(cx, (side, group), origin, response)
                });
            }
            Sorted::TooLate {
                branch,
                origin,
                response,
            } => self.with_call_of(&origin.clone(), id, |call, cx| {
                call.decline_place(cx, side, &branch, &origin, &response);
                call
            }),
            Sorted::Decided(others) => {
                for other in others {
                    self.cx.cancel(other);
                }
            }
            Sorted::Absorbed => {}
        }
    }

    /// One of several places wants a longer session interval: it is asked again at once, with that
    /// (RFC 4028 section 7.3), and the others ring on. `first` is its first transaction, whatever
    /// challenges came in between. Whether it was asked again.
    pub(super) fn ask_place_again(
        &mut self,
        owner: Owner,
        first: ClientKey,
        response: &Response,
    ) -> bool {
        if response.status != StatusCode::INTERVAL_TOO_SMALL {
            return false;
        }
        let (id, side) = owner;
        let (Some(place), Some(entry)) = (self.cx.places.ringing(first), self.calls.get_mut(&id))
        else {
            return false;
        };
        let mut place = place.clone();
        if !entry.call.lengthen(side, &mut place, response) {
            return false;
        }
        let again = self.cx.request_again(owner, place);
        entry.call.place_asked_again(first, again);
        true
    }
}
