//! Trunks, routes, accounts, tokens and webhooks that change while the daemon runs: checked as a
//! whole, stored, then applied to the running stack.
